"""What benchmarks found, for people: a section for each part, and benchmarks/results/latest.md with the goals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onshelf_benchmarks import figures
from onshelf_benchmarks.figures import ALONE_SHARE, BUSY_TIMES, at
from onshelf_benchmarks.record import Document, table
from onshelf_release.signatures import CANDIDATE_BUCKETS, bucket


@dataclass(frozen=True)
class Goal:
    """A figure, where it stands in the result, and what it must reach: at least, or at most, `limit`."""

    what: str
    path: tuple[str, ...]
    limit: float
    least: bool

    def cells(self, result: Document) -> list[str]:
        """What, measured, goal, reached."""
        value, goal = at(result, *self.path), f"at {'least' if self.least else 'most'} {self.limit:,g}"
        if value is None:
            return [self.what, "–", goal, "–"]
        reached = value >= self.limit if self.least else value <= self.limit
        return [self.what, f"{value:,.2f}" if value < 100 else f"{value:,.0f}", goal, _yes(reached)]


GOALS = (
    Goal("plans a second over a tutorial's planner, one BERT forward per candidate", ("ratios", "seed"), 100, True),
    Goal("texts a second over the best other server of the same BERT", ("ratios", "best_peer"), 2, True),
    Goal("the same, fp32 against fp32", ("ratios", "best_peer_fp32"), 1.2, True),
    Goal("99 % latency over that of the best other server", ("ratios", "best_peer_p99"), 1, False),
    Goal("milliseconds that the gateway adds to its calls of Triton", ("gateway_tax_ms",), 1.5, False),
    Goal("plans a second at saturation over what the models allow", ("ratios", "gateway_saturation"), 0.8, True),
    Goal("encoder through Triton over the same graph in one process", ("ratios", "encoder_vs_inprocess"), 0.8, True),
    Goal("exact retrieval of one query over bytes / bandwidth", ("ratios", "retrieval_vs_bandwidth"), 2, False),
    Goal("products upserted a minute", ("catalog", "upserts_per_minute"), 10_000, True),
    Goal("milliseconds until every process has an upserted product", ("catalog", "visible_max_ms"), 1_000, False),
    Goal("memory for the longest stream over that for the shortest", ("ratios", "stream_memory"), 1.2, False),
)


def growth(result: Document) -> list[str]:
    """The steepest step of all sweeps, as a row beside the goals: it may exceed 1 by its own noise."""
    what, goal = "steepest step of any sweep: growth of the median over growth of the size", "at most 1, within noise"
    found = [one for one in result["sweeps"].values() if one]
    if not found:
        return [what, "–", goal, "–"]
    worst = max(found, key=lambda one: float(one["worst_step"]))
    reached = all(one["no_worse_than_linear"] for one in found)
    return [what, f"{worst['worst_step']:.2f} ± {worst['noise']:.2f}", goal, _yes(reached)]


def goals(result: Document) -> str:
    """All figures beside their goals."""
    return table(["Figure", "Measured", "Goal", "Reached"], [*(goal.cells(result) for goal in GOALS), growth(result)])


def promise(result: Document) -> str:
    """What to expect of a plan, in a sentence."""
    found = result.get("promise")
    if not found:
        return "What to expect of a plan was not measured yet."
    scored = bucket(found["candidates"], CANDIDATE_BUCKETS)
    return (
        f"A plan of {found['candidates']:,} candidates, scored as {scored:,}, for a product never seen before takes "
        f"{found['p50_ms']:.0f} ms (median) and {found['p99_ms']:.0f} ms (99 %) at half of saturation: "
        f"{found['plans_per_second']:.1f} plans a second, Poisson arrivals, counted from the planned arrival. Client, "
        f"gateway and Triton share the machine: {result['machine']}."
    )


def limits(result: Document) -> str:
    """The gateway's default limits beside what they rest on."""
    found = figures.limits(result["parts"])  # of the settings as they are now, whenever the parts were measured
    deadline, alone = found["default_deadline_ms"], found["most_candidates_alone_p50_ms"]
    busy, needed, most = found["all_permits_taken_p99_ms"], found["deadline_at_least_ms"], found["alone_at_most_ms"]
    rows = [
        [
            f"`--default-deadline-ms`: {deadline:,}",
            f"at least {BUSY_TIMES} times the 99 % latency while all {found['max_in_flight']} permits are taken, each "
            "plan with 1,000 candidates",
            *(("–", "–") if busy is None else (f"{busy:,.0f} ms", _yes(deadline >= needed))),
        ],
        [
            f"`--max-candidates`: {found['max_candidates']:,}",
            f"a plan of so many takes, alone, at most {most:,.0f} ms, {ALONE_SHARE:.0%} of that deadline",
            *(("–", "–") if alone is None else (f"{alone:,.0f} ms", _yes(alone <= most))),
        ],
    ]
    return table(["Default", "rests on", "Measured", "Kept"], rows)


def latency(found: Document) -> str:
    """Loads of PlanLaunch."""
    rows = [[row[key] for key in ("load", "plans_per_second", "p50_ms", "p95_ms", "p99_ms")] for row in found["rows"]]
    heads = ["Load", "Plans a second", "p50 ms", "p95 ms", "p99 ms"]
    return f"## PlanLaunch, {found['candidates']} candidates, every product another one\n\n{table(heads, rows)}\n"


def peers(found: Document) -> str:
    """Servers of the same BERT, the fastest first."""
    servers = sorted((found["peers"] | found["gateways"]).items(), key=lambda pair: -float(pair[1]["rps"]))
    rows = [[name, f"{row['rps']:,.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"] for name, row in servers]
    missing = ", ".join(found.get("failed") or {})
    return (
        f"## Servers of the same BERT, 16 callers\n\n{table(['Server', 'Texts a second', 'p50 ms', 'p99 ms'], rows)}\n"
        + (f"\nNot measured: {missing}.\n" if missing else "")
    )


def saturation(found: Document) -> str:
    """The models alone, and the gateway beside what they allow."""
    columns = ("alone_per_second", "alone_batch", "load_generator_cores", "asked_by_a_plan", "executed_batch")
    rows = [[name, *(f"{one[key]:.2f}" for key in columns)] for name, one in found["models"].items()]
    heads = ["Model", "Alone, a second", "Batch", "Cores of perf_analyzer", "Asked by a plan", "Batch in plans"]
    unbatched = ", ".join(found["never_batched"])
    return (
        f"## Saturation\n\n{table(heads, rows)}\n\nAt {found['callers']} callers PlanLaunch makes "
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


def sweeps(found: Document) -> str:
    """All sweeps."""
    each = [_sweep(name, one) for name, one in found["sweeps"].items() if one]
    return "\n".join(["## Growth\n", *each])


def _sweep(name: str, found: Document) -> str:
    rows = [
        [f"{row['size']:,}", f"{row['p50_ms']:,.2f}", f"{row['p95_ms']:,.2f}"]
        + [f"{row[key]:,.0f}" if key in row else "–" for key in ("gateway_peak_mb", "triton_peak_mb", "client_peak_mb")]
        for row in found["rows"]
    ]
    heads = [found["of"], "p50 ms", "p95 ms", "gateway MB", "Triton MB", "client MB"]
    steps = ", ".join(
        f"{step['from']:,} to {step['to']:,}: {step['growth_p50']:.2f} ± {step['noise_p50']:.2f}"
        for step in found["steps"]
    )
    words = f"Growth of {found.get('growth_of', 'the median')} over growth of the size, 1 is linear: {steps}."
    return f"### {name}: {found['latency']}\n\n{table(heads, rows)}\n\n{words}\n"


SECTIONS: dict[str, Callable[[Document], str]] = {  # in the order of the page
    "latency": latency,
    "peers": peers,
    "saturation": saturation,
    "encoder": encoder,
    "sweeps": sweeps,
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
        f"{goals(result)}\n",
        f"{limits(result)}\n",
        *(section(parts[name]) for name, section in SECTIONS.items() if name in parts),
        *(f"![{path.stem.replace('_', ' ')}]({path})\n" for path in plots),
        "## Parts\n",
        table(["Part", "Measured", "Commit", "Model release", "Minutes"], measured),
        "\nVersions: " + ", ".join(f"{name} {value}" for name, value in result.get("versions", {}).items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
