"""What perf_analyzer found, for people: the headline, and the page of all rows."""

import math

from onshelf_benchmarks.load import PERCENTILES
from onshelf_benchmarks.record import Document, table_of

P_MS = [f"p{p}_ms" for p in PERCENTILES]
LATENCIES = {f"p{p} ms": f"{{p{p}_ms:.2f}}" for p in PERCENTILES}
SIDES = {"Queue ms": "{queue_ms:.2f}", "Compute ms": "{compute_ms:.2f}", "Batch": "{batch:.2f}"}
HEADLINE = {"Headline": "{of}", "Cache": "{cache}", "Best rate a second": "{best_per_second:,.1f}", "at": "{best_load}"}
HEADLINE |= {"Lightest load": "{lightest_load}", **LATENCIES}
ROWS = {"Model": "{of}", "Cache": "{cache}", "Load": "{load}", "Products": "{file_products:,}"}
ROWS |= {"Requests": "{requests:,}", "A second": "{per_second:,.1f}", **LATENCIES}
ROWS |= {"Hit rate": "{hit_rate:.1%}", **SIDES}
ASKED = {"Gateway's model": "{model}", "Cache": "{cache}", "Load": "{load}", "asks": "{asks}", **SIDES}


def headline(rows: list[Document]) -> list[Document]:
    """For each model of the gateway the best cold rate and the latency at the lightest load; else Triton's."""
    good = [row for row in rows if "error" not in row and row["load"].startswith("concurrency")]
    chosen = [row for row in good if row["cache"] == "cold"] or [row for row in good if row["cache"] == "none"]
    result = []
    for key in dict.fromkeys((row["server"], row["model"], row["size"]) for row in chosen):
        own = [row for row in chosen if (row["server"], row["model"], row["size"]) == key]
        alone = min(own, key=lambda row: int(row["load"].split()[1]))
        best = max(own, key=lambda row: float(row["per_second"]))
        result.append(
            {name: alone[name] for name in ("server", "model", "size", *P_MS)}
            | {"cache": best["cache"], "best_per_second": best["per_second"], "best_load": best["load"]}
            | {"lightest_load": alone["load"]}
        )
    return result


def line(row: Document) -> str:
    """A row while it runs."""
    hits = f", hit rate {row['hit_rate']:.1%}" if "hit_rate" in row else ""
    latencies = ", ".join(f"p{p} {row[f'p{p}_ms']:.1f}" for p in PERCENTILES)
    return f"{row['load']}: {row['per_second']:.1f}/s, {latencies} ms{hits}"


def markdown(result: Document) -> str:
    """The result as a page."""
    good = [row for row in result["rows"] if "error" not in row]
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    parts = [
        {"model": row["model"], "cache": row["cache"], "load": row["load"], "asks": name, **part}
        for row in good
        for name, part in row.get("composing", {}).items()
    ]
    blocks = [
        "# perf_analyzer",
        f"`{result['command']}` on {result['machine']}, {result['date']}, commit {result['commit']}; {versions}. Input "
        f"files of {result['products']:,} distinct products (fewer where one request is large: column Products). Cold: "
        f"each request a product never sent before; warm: {result['warm_products']} products again and again; no "
        "cache: Triton's models. An open loop that could not be sent at its rate says at which it was. "
        "The hit rate is that of the gateway's cache of encodings while the row ran. Client "
        "and servers share the machine where the addresses are local.",
        table_of(HEADLINE, (row | {"of": _model(row)} for row in result["headline"])),
        table_of(ROWS, map(_row, good)),
    ]
    blocks += [table_of(ASKED, parts)] if parts else []
    blocks += [
        f"Not measured: {_model(row)}, {row['cache']}, {row.get('load', 'warming up')}: {row['error']}"
        for row in result["rows"]
        if "error" in row
    ]
    return "\n\n".join(blocks) + "\n"


def is_behind(row: Document) -> bool:
    """Whether fewer requests a second were sent than Poisson arrivals of the planned rate explain: the client could
    not keep up, or waited for a server that did not, so that latencies are too low."""
    if "planned_per_second" not in row or "sent_per_second" not in row:
        return False
    few = 0.02 + 3 / math.sqrt(row["requests"])
    return bool(row["sent_per_second"] < (1 - few) * row["planned_per_second"])


def _row(row: Document) -> Document:
    load = f"{row['load']}, sent {row['sent_per_second']:.3g}/s" if is_behind(row) else row["load"]
    return row | {"of": _model(row), "load": load, "cache": "no cache" if row["cache"] == "none" else row["cache"]}


def _model(row: Document) -> str:
    return f"{row['server']}: {row['model']}" + (f", {row['size']}" if row["size"] else "")
