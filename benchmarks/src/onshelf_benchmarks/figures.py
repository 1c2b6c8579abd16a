"""The named figures of benchmarks/results/latest.json, out of what the parts of `make bench` printed.

`ratios`, `gateway_tax_ms`, `promise`, `limits`, `catalog`, `peers`, `gateways` and `sweeps`; null, or empty, where
nothing was measured.
"""

from typing import Any

from onshelf_benchmarks.record import Document
from onshelf_gateway.settings import Settings

PROMISED = 0.5  # of saturation: where the README says what to expect
BUSY_TIMES = 3  # the default deadline is at least so many times the 99 % latency while all permits are taken
ALONE_SHARE = 0.05  # of the default deadline: the most that a plan of the most candidates takes alone


def at(document: Document, *path: str) -> Any:
    """What stands at a path of a document; None where it ends before."""
    found: Any = document
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def figures(parts: dict[str, Document]) -> Document:
    """The named figures of the parts that were measured."""
    return {
        "ratios": {
            "seed": at(parts, "seed", "ratio"),
            "best_peer": at(parts, "peers", "compared", "ours", "times_best_rps"),
            "best_peer_fp32": at(parts, "peers", "compared", "ours_fp32", "times_best_rps"),
            "best_peer_p99": _p99_over_best(parts),
            "gateway_saturation": at(parts, "saturation", "gateway_saturation"),
            "encoder_vs_inprocess": at(parts, "encoder", "encoder_vs_inprocess"),
            "retrieval_vs_bandwidth": at(parts, "retrieval", "ratios", "retrieval_vs_bandwidth"),
            "stream_memory": max((at(parts, "sweeps", "sweeps", "stream", "peak_memory") or {}).values(), default=None),
        },
        "gateway_tax_ms": at(parts, "tax", "gateway_tax_ms"),
        "promise": _promise(parts),
        "limits": limits(parts),
        "catalog": {
            "upserts_per_minute": at(parts, "catalog", "upserts_per_minute"),
            "visible_max_ms": at(parts, "catalog", "visible_everywhere", "from_sending", "max_ms"),
        },
        **{
            kind: {name: {key: row[key] for key in ("rps", "p50_ms", "p99_ms")} for name, row in found.items()}
            for kind in ("peers", "gateways")
            for found in (at(parts, "peers", kind) or {},)
        },
        "sweeps": at(parts, "sweeps", "sweeps") or {},
    }


def _p99_over_best(parts: dict[str, Document]) -> float | None:
    best = at(parts, "peers", "compared", "ours", "best_peer")
    ours, other = at(parts, "peers", "gateways", "ours", "p99_ms"), at(parts, "peers", "peers", best or "", "p99_ms")
    return float(ours / other) if ours and other else None


def _row(parts: dict[str, Document], path: tuple[str, ...], key: str, value: object) -> Document | None:
    rows = at(parts, *path, "rows") or []
    return next((row for row in rows if row.get(key) == value), None)


def _promise(parts: dict[str, Document]) -> Document | None:
    """PlanLaunch at half of saturation, open loop."""
    row = _row(parts, ("latency",), "share", PROMISED)
    if row is None:
        return None
    keys = ("plans_per_second", "p50_ms", "p95_ms", "p99_ms")
    return {"candidates": parts["latency"]["candidates"], **{key: row[key] for key in keys}}


def limits(parts: dict[str, Document]) -> Document:
    """What the gateway's default deadline and most candidates rest on: milliseconds that they must allow, or keep."""
    permits, deadline, candidates = (
        Settings.model_fields[name].default for name in ("max_in_flight", "default_deadline_ms", "max_candidates")
    )
    busy = at(_row(parts, ("latency",), "callers", permits) or {}, "p99_ms")
    alone = _row(parts, ("sweeps", "sweeps", "candidates"), "asked_for", candidates)
    return {
        "max_in_flight": permits,
        "default_deadline_ms": deadline,
        "all_permits_taken_p99_ms": busy,
        "deadline_at_least_ms": None if busy is None else round(BUSY_TIMES * busy, 1),
        "max_candidates": candidates,
        "most_candidates_alone_p50_ms": at(alone or {}, "p50_ms"),
        "alone_at_most_ms": ALONE_SHARE * deadline,
    }
