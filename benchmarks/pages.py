"""What `make bench` found, for people: each figure beside its goal, and benchmarks/results/latest.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
from figures import ALONE_SHARE, BUSY_TIMES, Document, at

from onshelf_gateway.inference.signatures import CANDIDATE_BUCKETS, bucket


@dataclass(frozen=True)
class Goal:
    """A figure and what it must reach: at least, or at most, `limit`."""

    what: str
    value: Callable[[Document], float | None]
    limit: float
    least: bool

    def cells(self, result: Document) -> list[str]:
        """What, measured, goal, reached."""
        value, goal = self.value(result), f"at {'least' if self.least else 'most'} {self.limit:,g}"
        if value is None:
            return [self.what, "–", goal, "–"]
        reached = value >= self.limit if self.least else value <= self.limit
        return [self.what, f"{value:,.2f}" if value < 100 else f"{value:,.0f}", goal, "yes" if reached else "no"]


def _ratio(name: str) -> Callable[[Document], float | None]:
    return lambda result: result["ratios"].get(name)


def _tax(result: Document) -> float | None:
    return result.get("gateway_tax_ms")


def _catalog(name: str) -> Callable[[Document], float | None]:
    return lambda result: result.get("catalog", {}).get(name)


GOALS = (
    Goal("plans a second over a tutorial's planner, one BERT forward per candidate", _ratio("seed"), 100, True),
    Goal("texts a second over the best other server of the same BERT", _ratio("best_peer"), 2, True),
    Goal("the same, fp32 against fp32", _ratio("best_peer_fp32"), 1.2, True),
    Goal("99 % latency over that of the best other server", _ratio("best_peer_p99"), 1, False),
    Goal("milliseconds that the gateway adds to its calls of Triton", _tax, 1.5, False),
    Goal("plans a second at saturation over what the models allow", _ratio("gateway_saturation"), 0.8, True),
    Goal("encoder through Triton over the same graph in one process", _ratio("encoder_vs_inprocess"), 0.8, True),
    Goal("exact retrieval of one query over bytes / bandwidth", _ratio("retrieval_vs_bandwidth"), 2, False),
    Goal("products upserted a minute", _catalog("upserts_per_minute"), 10_000, True),
    Goal("milliseconds until every process has an upserted product", _catalog("visible_max_ms"), 1_000, False),
    Goal("memory for the longest stream over that for the shortest", _ratio("stream_memory"), 1.2, False),
)


def growth(result: Document) -> list[str]:
    """The steepest step of all sweeps, as a row beside the goals: it may exceed 1 by its own noise."""
    what, goal = "steepest step of any sweep: growth of the median over growth of the size", "at most 1, within noise"
    found = [one for one in result["sweeps"].values() if one]
    if not found:
        return [what, "–", goal, "–"]
    worst = max(found, key=lambda one: one["worst_step"])
    reached = all(one["no_worse_than_linear"] for one in found)
    return [what, f"{worst['worst_step']:.2f} ± {worst['noise']:.2f}", goal, "yes" if reached else "no"]


def table(heads: list[str], rows: list[list[Any]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def goals(result: Document) -> str:
    """All figures beside their goals."""
    rows = [*(goal.cells(result) for goal in GOALS), growth(result)]
    return table(["Figure", "Measured", "Goal", "Reached"], rows)


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
            "–" if busy is None else f"{busy:,.0f} ms",
            "–" if busy is None else "yes" if deadline >= needed else "no",
        ],
        [
            f"`--max-candidates`: {found['max_candidates']:,}",
            f"a plan of so many takes, alone, at most {most:,.0f} ms, {ALONE_SHARE:.0%} of that deadline",
            "–" if alone is None else f"{alone:,.0f} ms",
            "–" if alone is None else "yes" if alone <= most else "no",
        ],
    ]
    return table(["Default", "rests on", "Measured", "Kept"], rows)


def _sweep(name: str, found: Document) -> str:
    rows = [
        [f"{row['size']:,}", f"{row['p50_ms']:,.2f}", f"{row['p95_ms']:,.2f}"]
        + [f"{row[key]:,.0f}" if key in row else "–" for key in ("gateway_peak_mb", "triton_peak_mb", "client_peak_mb")]
        + [f"{row['plans_per_second']:.1f}" if "plans_per_second" in row else "–", row.get("refused", 0)]
        for row in found["rows"]
    ]
    heads = [found["of"], "p50 ms", "p95 ms", "gateway MB", "Triton MB", "client MB", "plans/s", "refused"]
    steps = ", ".join(
        f"{step['from']:,} to {step['to']:,}: {step['growth_p50']:.2f} ± {step['noise_p50']:.2f}"
        for step in found["steps"]
    )
    waiting = [
        f"{row['size']} callers: median {row['p50_ms']:,.0f} ms, {row['plans_per_second']:.1f} plans a second"
        for row in found.get("nothing_refused", [])
    ]
    words = [f"Growth of {found.get('growth_of', 'the median')} over growth of the size, 1 is linear: {steps}."]
    words += [f"Where nothing is refused (`--max-in-flight 1024`): {'; '.join(waiting)}."] if waiting else []
    return f"### {name}: {found['latency']}\n\n{table(heads, rows)}\n\n{' '.join(words)}\n"


def _saturation(found: Document) -> str:
    columns = ("alone_per_second", "alone_batch", "load_generator_cores", "asked_by_a_plan", "executed_batch")
    rows = [[name, *(f"{one[key]:.2f}" for key in columns)] for name, one in found["models"].items()]
    heads = ["Model", "Alone, a second", "Batch", "Cores of perf_analyzer", "Asked by a plan", "Batch in plans"]
    unbatched = ", ".join(found["never_batched"])
    return (
        f"{table(heads, rows)}\n\nAt {found['callers']} callers PlanLaunch makes {found['plans_per_second']:.1f} plans "
        f"a second, {found['gateway_saturation']:.2f} of the {found['models_allow_per_second']:.1f} that the models "
        f"allow; its load generator uses {found['load_generator_cores']['plans']:.2f} cores."
        + (f" Not batched: {unbatched}." if unbatched else "")
        + "\n"
    )


def _encoder(found: Document) -> str:
    texts = found["texts_per_second"]
    by = f", {found['in_process_by']}" if "in_process_by" in found else ""
    return (
        f"{found['model']}, {found['tokens']} tokens: {texts['in_process']:,.0f} texts a second in one process "
        f"(batches of {found['best_batch']}{by}), {found['share_of_matrix_products']:.2f} of what a large matrix "
        f"product of its precision reaches there; through Triton {texts['triton_batches']:,.0f} in batches as large, "
        f"{texts['triton_single']:,.0f} one by one ({found['single_texts_vs_inprocess']:.2f} of the process).\n"
    )


def markdown(result: Document, plots: list[Path]) -> str:
    """The results as a page; `plots` are relative to it."""
    lines = [
        "# Serving, measured\n",
        f"`{result['command']}` on {result['machine']}. Parts were measured at the times and commits given; a part "
        "that is missing was not measured.\n",
        f"{promise(result)}\n",
        f"{goals(result)}\n",
        f"{limits(result)}\n",
    ]
    if result.get("quick"):
        lines.insert(1, "**A quick check that everything runs: these are no measurements.**\n")
    parts = result["parts"]
    if latency := parts.get("latency"):
        rows = [
            [row["load"], row["plans_per_second"], row["p50_ms"], row["p95_ms"], row["p99_ms"]]
            for row in latency["rows"]
        ]
        heads = ["Load", "Plans a second", "p50 ms", "p95 ms", "p99 ms"]
        lines += [
            f"## PlanLaunch, {latency['candidates']} candidates, every product another one\n",
            table(heads, rows),
            "",
        ]
    if result["peers"]:
        servers = sorted((result["peers"] | result["gateways"]).items(), key=lambda pair: -pair[1]["rps"])
        rows = [[name, f"{row['rps']:,.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"] for name, row in servers]
        lines += [
            "## Servers of the same BERT, 16 callers\n",
            table(["Server", "Texts a second", "p50 ms", "p99 ms"], rows),
        ]
        missing = ", ".join(at(parts, "peers", "failed") or {})
        lines += [f"\nNot measured: {missing}.\n" if missing else ""]
    if saturation := parts.get("saturation"):
        lines += ["## Saturation\n", _saturation(saturation)]
    if encoder := parts.get("encoder"):
        lines += ["## The encoder beside the machine\n", _encoder(encoder)]
    if result["sweeps"]:
        lines += ["## Growth\n", *(_sweep(name, one) for name, one in result["sweeps"].items() if one)]
    lines += [f"![{path.stem.replace('_', ' ')}]({path})\n" for path in plots]
    keys = ("date", "commit", "release", "minutes")
    measured = [[name, *(one.get(key, "–") for key in keys)] for name, one in result["measured"].items()]
    lines += [
        "## Parts\n",
        table(["Part", "Measured", "Commit", "Model release", "Minutes"], measured),
        "\nVersions: " + ", ".join(f"{name} {value}" for name, value in result.get("versions", {}).items()) + ".",
    ]
    return "\n".join(lines) + "\n"
