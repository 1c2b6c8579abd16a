"""What perf_analyzer found, for people: the headline, and the page of all rows."""

import math
from typing import Any

from plan_latency import PERCENTILES

Row = dict[str, Any]


def headline(rows: list[Row]) -> list[Row]:
    """For each model of the gateway the best cold rate and the latency at the lightest load; else Triton's."""
    good = [row for row in rows if "error" not in row and row["load"].startswith("concurrency")]
    chosen = [row for row in good if row["cache"] == "cold"] or [row for row in good if row["cache"] == "none"]
    result = []
    for key in dict.fromkeys((row["server"], row["model"], row["size"]) for row in chosen):
        own = [row for row in chosen if (row["server"], row["model"], row["size"]) == key]
        alone = min(own, key=lambda row: int(row["load"].split()[1]))
        best = max(own, key=lambda row: float(row["per_second"]))
        result.append(
            rounded(
                {
                    **dict(zip(("server", "model", "size"), key, strict=True)),
                    "cache": best["cache"],
                    "best_per_second": best["per_second"],
                    "best_load": best["load"],
                    "lightest_load": alone["load"],
                    **{f"p{p}_ms": alone[f"p{p}_ms"] for p in PERCENTILES},
                }
            )
        )
    return result


def rounded(row: Row) -> Row:
    """Three decimals are more than is known."""
    return {
        key: rounded(value) if isinstance(value, dict) else round(value, 3) if isinstance(value, float) else value
        for key, value in row.items()
    }


def line(row: Row) -> str:
    """A row while it runs."""
    hits = f", hit rate {row['hit_rate']:.1%}" if "hit_rate" in row else ""
    latencies = ", ".join(f"p{p} {row[f'p{p}_ms']:.1f}" for p in PERCENTILES)
    return f"{row['load']}: {row['per_second']:.1f}/s, {latencies} ms{hits}"


def markdown(result: Row) -> str:
    """The result as a page."""
    good = [row for row in result["rows"] if "error" not in row]
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    names, sides = [f"p{p} ms" for p in PERCENTILES], ["Queue ms", "Compute ms", "Batch"]
    lines = [
        "# perf_analyzer\n",
        f"`{result['command']}` on {result['machine']}, {result['date']}, commit {result['commit']}; {versions}. Input "
        f"files of {result['products']:,} distinct products (fewer where one request is large: column Products). Cold: "
        f"each request a product never sent before; warm: {result['warm_products']} products again and again; no "
        "cache: Triton's models. An open loop that could not be sent at its rate says at which it was. "
        "The hit rate is that of the gateway's cache of encodings while the row ran. Client "
        "and servers share the machine where the addresses are local.\n",
        *_table(
            ["Headline", "Cache", "Best rate a second", "at", "Lightest load", *names],
            [
                [_model(row), row["cache"], f"{row['best_per_second']:,.1f}", row["best_load"], row["lightest_load"]]
                + [f"{row[f'p{p}_ms']:.2f}" for p in PERCENTILES]
                for row in result["headline"]
            ],
        ),
        *_table(
            ["Model", "Cache", "Load", "Products", "Requests", "A second", *names, "Hit rate", *sides],
            [
                [_model(row), "no cache" if row["cache"] == "none" else row["cache"], _load(row)]
                + [f"{row['file_products']:,}", f"{row['requests']:,}", f"{row['per_second']:,.1f}"]
                + [f"{row[f'p{p}_ms']:.2f}" for p in PERCENTILES]
                + [f"{row['hit_rate']:.1%}" if "hit_rate" in row else "–"]
                + [f"{row[key]:.2f}" if key in row else "–" for key in ("queue_ms", "compute_ms", "batch")]
                for row in good
            ],
        ),
    ]
    parts = [(row, name, part) for row in good for name, part in row.get("composing", {}).items()]
    if parts:
        lines += _table(
            ["Gateway's model", "Cache", "Load", "asks", *sides],
            [
                [row["model"], row["cache"], row["load"], name]
                + [f"{part[key]:.2f}" for key in ("queue_ms", "compute_ms", "batch")]
                for row, name, part in parts
            ],
        )
    lines += [
        f"Not measured: {_model(row)}, {row['cache']}, {row.get('load', 'warming up')}: {row['error']}\n"
        for row in result["rows"]
        if "error" in row
    ]
    return "\n".join(lines)


def is_behind(row: Row) -> bool:
    """Whether fewer requests a second were sent than Poisson arrivals of the planned rate explain: the client could
    not keep up, or waited for a server that did not, so that latencies are too low."""
    if "planned_per_second" not in row or "sent_per_second" not in row:
        return False
    few = 0.02 + 3 / math.sqrt(row["requests"])
    return bool(row["sent_per_second"] < (1 - few) * row["planned_per_second"])


def _load(row: Row) -> str:
    return f"{row['load']}, sent {row['sent_per_second']:.3g}/s" if is_behind(row) else str(row["load"])


def _model(row: Row) -> str:
    return f"{row['server']}: {row['model']}" + (f", {row['size']}" if row["size"] else "")


def _table(heads: list[str], cells: list[list[Any]]) -> list[str]:
    body = ["| " + " | ".join(map(str, row)) + " |" for row in cells]
    return ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *body, ""]
