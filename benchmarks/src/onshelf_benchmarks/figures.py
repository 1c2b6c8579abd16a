"""Figures out of what the parts of `make bench` printed; None where nothing was measured."""

from typing import Any

from onshelf_benchmarks.record import Document

PROMISED = 0.5  # of saturation: where the README says what to expect


def at(document: Document, *path: str) -> Any:
    """What stands at a path of a document; None where it ends before."""
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def row_of(part: Document | None, key: str, value: object) -> Document | None:
    """The row of a part that has this value."""
    return next((row for row in (part or {}).get("rows", []) if row.get(key) == value), None)


def p99_over_best_peer(parts: Document) -> float | None:
    """The gateway's 99 % latency over that of the peer of the most texts a second."""
    best = at(parts, "peers", "compared", "ours", "best_peer")
    ours, other = at(parts, "peers", "gateways", "ours", "p99_ms"), at(parts, "peers", "peers", best or "", "p99_ms")
    return float(ours / other) if ours and other else None


def stream_memory(parts: Document) -> float | None:
    """Memory for the longest stream over that for the shortest: of gateway and client the larger."""
    return max((at(parts, "sweeps", "sweeps", "stream", "peak_memory") or {}).values(), default=None)


def promise(parts: Document) -> Document | None:
    """PlanLaunch at half of saturation, open loop."""
    row = row_of(parts.get("latency"), "share", PROMISED)
    return row | {"candidates": parts["latency"]["candidates"]} if row else None
