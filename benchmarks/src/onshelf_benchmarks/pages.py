"""What benchmarks found, for people: a section for each part, and benchmarks/results/latest.md with the goals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onshelf_benchmarks import figures
from onshelf_benchmarks.figures import at
from onshelf_benchmarks.load import PERCENTILES
from onshelf_benchmarks.record import Document, table, table_of
from onshelf_gateway.settings import Settings
from onshelf_release.signatures import CANDIDATE_BUCKETS, bucket

BUSY_TIMES = 3  # the default deadline is at least so many times the 99 % latency while all permits are taken
ALONE_SHARE = 0.05  # of the default deadline: the most that a plan of the most candidates takes alone


@dataclass(frozen=True)
class Goal:
    """A figure, where the parts have it or how it follows, and what it must reach: at least, or at most, `limit`."""

    what: str
    figure: str | Callable[[Document], float | None]
    limit: float
    least: bool

    def cells(self, parts: Document) -> list[str]:
        """What, measured, goal, reached."""
        value = at(parts, *self.figure.split(".")) if isinstance(self.figure, str) else self.figure(parts)
        goal = f"at {'least' if self.least else 'most'} {self.limit:,g}"
        if value is None:
            return [self.what, "–", goal, "–"]
        reached = value >= self.limit if self.least else value <= self.limit
        return [self.what, f"{value:,.2f}" if value < 100 else f"{value:,.0f}", goal, _yes(reached)]


VISIBLE = "catalog.visible_everywhere.from_sending.max_ms"
GOALS = (
    Goal("plans a second over a tutorial's planner, one BERT forward per candidate", "seed.ratio", 100, True),
    Goal("texts a second over the best other server of the same BERT", "peers.compared.ours.times_best_rps", 2, True),
    Goal("the same, fp32 against fp32", "peers.compared.ours_fp32.times_best_rps", 1.2, True),
    Goal("99 % latency over that of the best other server", figures.p99_over_best_peer, 1, False),
    Goal("milliseconds that the gateway adds to its calls of Triton", "tax.gateway_tax_ms", 1.5, False),
    Goal("plans a second at saturation over what the models allow", "saturation.gateway_saturation", 0.8, True),
    Goal("encoder through Triton over the same graph in one process", "encoder.encoder_vs_inprocess", 0.8, True),
    Goal("exact retrieval of one query over bytes / bandwidth", "retrieval.ratios.retrieval_vs_bandwidth", 2, False),
    Goal("products upserted a minute", "catalog.upserts_per_minute", 10_000, True),
    Goal("milliseconds until every process has an upserted product", VISIBLE, 1_000, False),
    Goal("events a second that become durable, SQLite", "events.events_per_second.sqlite.record_events", 5_000, True),
    Goal("share of plans a second that remembering answers costs", "events.remembering.cost", 0.03, False),
    Goal("memory for the longest stream over that for the shortest", figures.stream_memory, 1.2, False),
)


def growth(parts: Document) -> list[str]:
    """The steepest step of all sweeps, as a row beside the goals: it may exceed 1 by its own noise."""
    what, goal = "steepest step of any sweep: growth of the median over growth of the size", "at most 1, within noise"
    found = [one for one in (at(parts, "sweeps", "sweeps") or {}).values() if one]
    if not found:
        return [what, "–", goal, "–"]
    worst = max(found, key=lambda one: float(one["worst_step"]))
    reached = all(one["no_worse_than_linear"] for one in found)
    return [what, f"{worst['worst_step']:.2f} ± {worst['noise']:.2f}", goal, _yes(reached)]


def goals(parts: Document) -> str:
    """All figures beside their goals."""
    return table(["Figure", "Measured", "Goal", "Reached"], [*(goal.cells(parts) for goal in GOALS), growth(parts)])


def promise(result: Document) -> str:
    """What to expect of a plan, in a sentence."""
    found = figures.promise(result["parts"])
    if not found:
        return "What to expect of a plan was not measured yet."
    scored = bucket(found["candidates"], CANDIDATE_BUCKETS)
    return (
        f"A plan of {found['candidates']:,} candidates, scored as {scored:,}, for a product never seen before takes "
        f"{found['p50_ms']:.0f} ms (median) and {found['p99_ms']:.0f} ms (99 %) at half of saturation: "
        f"{found['plans_per_second']:.1f} plans a second, Poisson arrivals, counted from the planned arrival. Client, "
        f"gateway and Triton share the machine: {result['machine']}."
    )


def limits(parts: Document) -> str:
    """The gateway's default limits, as they are now, beside what they rest on."""
    permits, deadline, candidates = (
        Settings.model_fields[name].default for name in ("max_in_flight", "default_deadline_ms", "max_candidates")
    )
    busy = at(figures.row_of(parts.get("latency"), "callers", permits) or {}, "p99_ms")
    swept = at(parts, "sweeps", "sweeps", "candidates")
    alone, most = at(figures.row_of(swept, "asked_for", candidates) or {}, "p50_ms"), ALONE_SHARE * deadline
    rows = [
        [
            f"`--default-deadline-ms`: {deadline:,}",
            f"at least {BUSY_TIMES} times the 99 % latency while all {permits} permits are taken, each plan with 1,000 "
            "candidates",
            *(("–", "–") if busy is None else (f"{busy:,.0f} ms", _yes(deadline >= BUSY_TIMES * busy))),
        ],
        [
            f"`--max-candidates`: {candidates:,}",
            f"a plan of so many takes, alone, at most {most:,.0f} ms, {ALONE_SHARE:.0%} of that deadline",
            *(("–", "–") if alone is None else (f"{alone:,.0f} ms", _yes(alone <= most))),
        ],
    ]
    return table(["Default", "rests on", "Measured", "Kept"], rows)


def latency(found: Document) -> str:
    """Loads of PlanLaunch."""
    columns = {"Load": "{load}", "Plans a second": "{plans_per_second}"}
    columns |= {f"p{p} ms": f"{{p{p}_ms}}" for p in PERCENTILES}
    loads = table_of(columns, found["rows"])
    return f"## PlanLaunch, {found['candidates']} candidates, every product another one\n\n{loads}\n"


def peers(found: Document) -> str:
    """Servers of the same BERT, the fastest first."""
    columns = {"Server": "{name}", "Texts a second": "{rps:,.0f}", "p50 ms": "{p50_ms:.1f}", "p99 ms": "{p99_ms:.1f}"}
    rows = [row | {"name": name} for name, row in (found["peers"] | found["gateways"]).items()]
    servers = table_of(columns, sorted(rows, key=lambda row: -float(row["rps"])))
    missing = ", ".join(found.get("failed") or {})
    failed = f"\nNot measured: {missing}.\n" if missing else ""
    return f"## Servers of the same BERT, 16 callers\n\n{servers}\n{failed}"


def saturation(found: Document) -> str:
    """The models alone, and the gateway beside what they allow."""
    columns = {
        "Model": "{name}",
        "Alone, a second": "{alone_per_second:.2f}",
        "Batch": "{alone_batch:.2f}",
        "Cores of perf_analyzer": "{load_generator_cores:.2f}",
        "Asked by a plan": "{asked_by_a_plan:.2f}",
        "Batch in plans": "{executed_batch:.2f}",
    }
    models = table_of(columns, (one | {"name": name} for name, one in found["models"].items()))
    unbatched = ", ".join(found["never_batched"])
    return (
        f"## Saturation\n\n{models}\n\nAt {found['callers']} callers PlanLaunch makes "
        f"{found['plans_per_second']:.1f} plans a second, {found['gateway_saturation']:.2f} of the "
        f"{found['models_allow_per_second']:.1f} that the models allow; its load generator uses "
        f"{found['load_generator_cores']['plans']:.2f} cores."
        + (f" Not batched: {unbatched}." if unbatched else "")
        + "\n"
    )


def encoder(found: Document) -> str:
    """The encoder in one process and through Triton."""
    texts = found["texts_per_second"]
    by = f", {found['in_process_by']}" if "in_process_by" in found else ""
    return (
        f"## The encoder beside the same graph in one process\n\n{found['model']}: {texts['in_process']:,.0f} texts a "
        f"second in one process (batches of {found['best_batch']}{by}); through Triton {texts['triton_batches']:,.0f} "
        f"in batches as large, {texts['triton_single']:,.0f} one by one ({found['single_texts_vs_inprocess']:.2f} of "
        "the process).\n"
    )


def events(found: Document) -> str:
    """Events a second, what remembering costs, how long reports take."""
    columns = {"Store": "{name}", "RecordEvents": "{record_events:,.0f}", "StreamEvents": "{stream_events:,.0f}"}
    rates = table_of(columns, (one | {"name": name} for name, one in found["events_per_second"].items()))
    memory, asked = found["remembering"], found["reports"]
    spread = f"{min(memory['costs']):.1%} to {max(memory['costs']):.1%}"
    return (
        f"## Events and memory\n\nEvents a second that become durable:\n\n{rates}\n\nRemembering answers costs "
        f"{memory['cost']:.1%} of plans a second (median of {len(memory['costs'])} rounds, {spread}). With "
        f"{asked['launches']:,} launches and {asked['events']:,} events GetLaunchReport takes {asked['p50_ms']:.1f} ms "
        f"(median) and {asked['p99_ms']:.1f} ms (99 %), ListLaunches of all {asked['list_ms']:,.0f} ms; SQLite.\n"
    )


def sweeps(found: Document) -> str:
    """All sweeps."""
    each = [_sweep(name, one) for name, one in found["sweeps"].items() if one]
    return "\n".join(["## Growth\n", *each])


def _sweep(name: str, found: Document) -> str:
    columns = {found["of"]: "{size:,}", "p50 ms": "{p50_ms:,.2f}", "p95 ms": "{p95_ms:,.2f}"}
    columns |= {f"{what} MB": f"{{{what.lower()}_peak_mb:,.0f}}" for what in ("gateway", "Triton", "client")}
    steps = ", ".join(
        f"{step['from']:,} to {step['to']:,}: {step['growth_p50']:.2f} ± {step['noise_p50']:.2f}"
        for step in found["steps"]
    )
    words = f"Growth of {found.get('growth_of', 'the median')} over growth of the size, 1 is linear: {steps}."
    return f"### {name}: {found['latency']}\n\n{table_of(columns, found['rows'])}\n\n{words}\n"


SECTIONS: dict[str, Callable[[Document], str]] = {  # in the order of the page
    "latency": latency,
    "peers": peers,
    "saturation": saturation,
    "encoder": encoder,
    "sweeps": sweeps,
    "events": events,
}


def markdown(result: Document, plots: Sequence[Path]) -> str:
    """The results as a page; `plots` are relative to it."""
    parts = result["parts"]
    keys = ("date", "commit", "release", "minutes")
    measured = [[name, *(one.get(key, "–") for key in keys)] for name, one in result["measured"].items()]
    lines = ["# Serving, measured\n"]
    lines += ["**A quick check that everything runs: these are no measurements.**\n"] if result.get("quick") else []
    lines += [
        f"`{result['command']}` on {result['machine']}. Parts were measured at the times and commits given; a part "
        "that is missing was not measured.\n",
        f"{promise(result)}\n",
        f"{goals(parts)}\n",
        f"{limits(parts)}\n",
        *(section(parts[name]) for name, section in SECTIONS.items() if name in parts),
        *(f"![{path.stem.replace('_', ' ')}]({path})\n" for path in plots),
        "## Parts\n",
        table(["Part", "Measured", "Commit", "Model release", "Minutes"], measured),
        "\nVersions: " + ", ".join(f"{name} {value}" for name, value in result.get("versions", {}).items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
