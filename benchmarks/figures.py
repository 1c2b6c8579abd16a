"""The named figures of benchmarks/results/latest.json, out of what the parts of `make bench` printed.

`ratios`, `gateway_tax_ms`, `promise`, `catalog`, `peers`, `gateways` and `sweeps`; null, or
empty, where nothing was measured.
"""

from typing import Any

from plan_latency import PROMISED

Document = dict[str, Any]


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
            "prepare_vs_pandas": at(parts, "prepare", "ratios", "prepare_vs_pandas"),
            "prepare_vs_pandas_memory": at(parts, "prepare", "ratios", "prepare_vs_pandas_memory"),
            "stream_memory": max((at(parts, "sweeps", "sweeps", "stream", "peak_memory") or {}).values(), default=None),
        },
        "gateway_tax_ms": at(parts, "tax", "gateway_tax_ms"),
        "promise": _promise(parts),
        "catalog": {
            "upserts_per_minute": at(parts, "catalog", "upserts_per_minute"),
            "visible_max_ms": at(parts, "catalog", "visible_everywhere", "from_sending", "max_ms"),
        },
        "peers": _servers(parts, "peers"),
        "gateways": _servers(parts, "gateways"),
        "sweeps": at(parts, "sweeps", "sweeps") or {},
    }


def _servers(parts: dict[str, Document], kind: str) -> Document:
    found = at(parts, "peers", kind) or {}
    return {name: {key: row[key] for key in ("rps", "p50_ms", "p99_ms")} for name, row in found.items()}


def _p99_over_best(parts: dict[str, Document]) -> float | None:
    best = at(parts, "peers", "compared", "ours", "best_peer")
    ours, other = at(parts, "peers", "gateways", "ours", "p99_ms"), at(parts, "peers", "peers", best or "", "p99_ms")
    return float(ours / other) if ours and other else None


def _promise(parts: dict[str, Document]) -> Document | None:
    """PlanLaunch at half of saturation, open loop."""
    rows = at(parts, "latency", "rows") or []
    row = next((one for one in rows if one.get("share") == PROMISED), None)
    if row is None:
        return None
    keys = ("plans_per_second", "p50_ms", "p95_ms", "p99_ms")
    return {"candidates": parts["latency"]["candidates"], **{key: row[key] for key in keys}}
