"""All measurements of serving on this machine, into benchmarks/results/latest.{json,md}.

    make bench                                   everything; an hour on two cores
    python benchmarks/bench.py --parts tax seed  some parts; those of earlier runs on the same machine stay

Starts what it needs: the local Triton on model_repository/ and, where a part needs one, a gateway whose cache is off,
one for each precision of the encoder. Each part is a script of its own and says how it measures; what it prints last is
kept as it is. A part that was not measured is missing from the results, and the page says so.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plan_latency import ROOT, machine

RUN = ROOT / "var/bench"
OUT = ROOT / "benchmarks/results"
HERE = Path(__file__).parent
GATEWAYS = {"ours": "product_encoder_int8", "ours_fp32": "product_encoder"}
Result = dict[str, Any]

# part -> (what it shows, its command with {triton}, {ours}, {ours_fp32}, {release}, {out})
PARTS: dict[str, tuple[str, str]] = {
    "latency": (
        "latency of PlanLaunch, closed and open loop",
        "plan_latency.py --address {ours} --candidates 1000 --out {out}",
    ),
    "tax": ("what the gateway adds to its calls of Triton", "gateway_tax.py --triton {triton} --address {ours}"),
    "seed": ("beside a tutorial's planner", "seed_planner.py --address {ours}"),
    "encoder": (
        "the encoder through Triton beside the same graph in one process",
        "encoder_limit.py --triton {triton} --release {release}",
    ),
    "peers": (
        "beside other servers of the same BERT",
        "-m peers.run --gateway ours={ours} --gateway ours_fp32={ours_fp32} --out {out}",
    ),
    "catalog": (
        "upserts of products, and how soon all processes know them",
        "catalog.py --triton {triton} --out {out}",
    ),
    "retrieval": ("exact retrieval beside the memory's bandwidth", "large_retrieval.py --out {out}"),
    "prepare": ("data preparation beside pandas", "prepare.py --out {out}"),
}


def command(words: str, known: dict[str, str]) -> list[str]:
    """A part's command line."""
    first, *rest = words.format(**known).split()
    return [sys.executable, *([first] if first == "-m" else [str(HERE / first)]), *rest]


def run_part(name: str, known: dict[str, str]) -> Result:
    """The document that a part prints last.

    Raises:
        SystemExit: the part failed; its own words are above.
    """
    print(f"== {name}: {PARTS[name][0]}", file=sys.stderr)
    done = subprocess.run(
        command(PARTS[name][1], known),
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE)},
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise SystemExit(f"part {name} failed with status {done.returncode}")
    result: Result = json.loads(lines[-1])
    return result


@contextmanager
def triton() -> Iterator[str]:
    """host:port of a local Triton on the model repository."""
    tool = [str(Path(sys.executable).parent / "onshelf-local-triton")]
    place = ["--run-dir", str(RUN / "triton")]
    subprocess.run([*tool, "start", "--model-repository", str(ROOT / "model_repository"), *place], check=True)
    try:
        address = subprocess.run(
            [*tool, "status", *place, "--field", "grpc_url"], check=True, capture_output=True, text=True
        )
        yield address.stdout.strip()
    finally:
        subprocess.run([*tool, "stop", *place], check=False)


@contextmanager
def gateway(name: str, triton_address: str) -> Iterator[str]:
    """host:port of a gateway whose cache is off and whose permits are many."""
    state = RUN / f"{name}.json"
    state.unlink(missing_ok=True)
    words = ["--releases", ROOT / "var/releases", "--triton", triton_address, "--listen", "127.0.0.1:0"]
    words += ["--metrics-port", 0, "--address-file", state, "--encoder-model", GATEWAYS[name]]
    words += ["--encoder-cache-entries", 0, "--max-in-flight", 1024, "--store", f"sqlite:///{RUN / 'store.db'}"]
    with (RUN / f"{name}.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "onshelf_gateway", *map(str, words)], stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not state.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the gateway did not start; see {RUN / f'{name}.log'}")
                time.sleep(0.1)
            yield str(json.loads(state.read_text())["address"])
        finally:
            process.terminate()
            process.wait()


def figures(parts: dict[str, Result]) -> Result:
    """The named figures of the parts that were measured."""

    def of(part: str, *path: str) -> Any:
        found: Any = parts.get(part)
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    ratios = {
        "seed": of("seed", "ratio"),
        "best_peer": of("peers", "compared", "ours", "times_best_rps"),
        "best_peer_fp32": of("peers", "compared", "ours_fp32", "times_best_rps"),
        "gateway_saturation": None,
        "encoder_vs_inprocess": of("encoder", "encoder_vs_inprocess"),
        "retrieval_vs_bandwidth": of("retrieval", "ratios", "retrieval_vs_bandwidth"),
        "prepare_vs_pandas": of("prepare", "ratios", "prepare_vs_pandas"),
    }
    upserts, visible = (
        of("catalog", "upserts_per_minute"),
        of("catalog", "visible_everywhere", "from_sending", "max_ms"),
    )
    peers = of("peers", "peers") or {}
    return {
        "ratios": ratios,
        "gateway_tax_ms": of("tax", "gateway_tax_ms"),
        "peers": {
            name: {key: row.get(key) for key in ("rps", "p50_ms", "p99_ms")}
            for name, row in peers.items()
            if isinstance(row, dict)
        },
        "catalog": {"upserts_per_minute": upserts, "visible_max_ms": visible},
        "sweeps": {"catalogue": of("retrieval", "sweep")},
    }


def markdown(result: Result) -> str:
    """The results as a page."""
    ratios = result["ratios"]
    goals = {
        "seed": ("plans a second over a tutorial's planner", "at least 100"),
        "best_peer": ("texts a second over the best other server", "at least 2"),
        "best_peer_fp32": ("the same, fp32 against fp32", "at least 1.2"),
        "gateway_saturation": ("plans a second at saturation over what the models allow", "at least .8"),
        "encoder_vs_inprocess": ("encoder through Triton over the same graph in one process", "at least .8"),
        "retrieval_vs_bandwidth": ("exact retrieval of one query over bytes / bandwidth", "at most 2"),
        "prepare_vs_pandas": ("pandas' time over the preparation's", "at least 2"),
    }
    lines = [
        "# Serving, measured\n",
        f"`{result['command']}` on {result['machine']}. Parts were measured at the times and commits given; a part "
        "that is missing was not measured.\n",
        "| Figure | Measured | Goal |\n|---|---|---|",
    ]
    for name, (what, goal) in goals.items():
        value = ratios.get(name)
        lines.append(f"| {what} | {'–' if value is None else f'{value:.2f}'} | {goal} |")
    tax = result["gateway_tax_ms"]
    lines.append(
        f"| milliseconds that the gateway adds, median | {'–' if tax is None else f'{tax:.2f}'} | at most 1.5 |"
    )
    catalog = result["catalog"]
    for name, what, goal in (
        ("upserts_per_minute", "products upserted a minute", "at least 10,000"),
        ("visible_max_ms", "milliseconds until every process has one, at most", "at most 1,000"),
    ):
        value = catalog[name]
        lines.append(f"| {what} | {'–' if value is None else f'{value:,.0f}'} | {goal} |")
    latency = result["parts"].get("latency")
    if latency:
        lines += [
            f"\nPlanLaunch, {latency['candidates']} candidates, every product a different one:\n",
            "| Load | Plans a second | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|",
        ]
        lines += [
            f"| {r['load']} | {r['plans_per_second']} | {r['p50_ms']} | {r['p95_ms']} | {r['p99_ms']} |"
            for r in latency["rows"]
        ]
    if result["peers"]:
        lines += ["\n| Server of the same BERT, 16 callers | Texts a second | p50 ms | p99 ms |\n|---|---|---|---|"]
        lines += [
            f"| {name} | {row['rps']:,.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} |"
            for name, row in sorted(result["peers"].items(), key=lambda pair: -pair[1]["rps"])
        ]
    lines += ["\n| Part | Measured | Commit |\n|---|---|---|"]
    lines += [f"| {name} | {when['date']} | {when['commit']} |" for name, when in result["measured"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure serving on this machine.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    given = parser.parse_args()
    releases = [path for path in (ROOT / "var/releases").glob("[0-9]*") if path.is_dir()]
    if not releases:
        raise SystemExit("var/releases: no model release; run `make publish` first")
    RUN.mkdir(parents=True, exist_ok=True)
    path = OUT / "latest.json"
    before: Result = json.loads(path.read_text()) if path.exists() else {}
    same = before.get("machine") == machine() and "parts" in before
    parts: dict[str, Result] = dict(before["parts"]) if same else {}
    measured: dict[str, Result] = dict(before["measured"]) if same else {}
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    with triton() as address, gateway("ours", address) as ours, gateway("ours_fp32", address) as fp32:
        release = max(releases, key=lambda folder: int(folder.name))
        known = {"triton": address, "ours": ours, "ours_fp32": fp32, "release": str(release), "out": str(RUN / "out")}
        for name in given.parts:
            parts[name] = run_part(name, known)
            measured[name] = {"date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip()}
            result = {"command": "make bench", "machine": machine(), **figures(parts)}
            result |= {"measured": measured, "parts": parts}
            path.write_text(json.dumps(result, indent=2) + "\n")
            (OUT / "latest.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
