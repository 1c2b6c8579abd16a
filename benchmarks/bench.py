"""All measurements of serving on this machine, into benchmarks/results/latest.{json,md} and plots.

    make bench                                   everything; about an hour and a half on two cores
    python benchmarks/bench.py --parts tax seed  some parts; those of earlier runs on the same machine stay
    python benchmarks/bench.py --parts           none: the pages and plots of what was measured, anew
    python benchmarks/bench.py --quick           a few minutes, to see that every part works: into var/bench/quick
    python benchmarks/readme.py                  afterwards: the numbers into README.md

Each part is a script of its own and says how it measures; what it prints last is kept as it is. A part gets servers of
its own, those that its command names: the local Triton on model_repository/ and gateways with their caches off. When a
part fails, the others go on, and the exit status is 1. A part that was not measured is missing from the results, and
the page says so.
"""

import argparse
import json
import os
import platform
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import plots
import serving
from figures import figures
from pages import markdown
from plan_latency import ROOT, machine

OUT = ROOT / "benchmarks/results"
RUN = serving.RUN
HERE = Path(__file__).parent
PACKAGES = ("onnxruntime", "grpcio", "numpy", "torch", "tritonclient")
Result = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A script: what it shows, its command, and what is added to that for a quick check.

    A command may name {triton}, {ours} and {ours_fp32} (addresses of servers, started for it), {release} and {out}.
    """

    shows: str
    command: str
    quick: str


PARTS = {
    "latency": Part(
        "latency of PlanLaunch, closed and open loop",
        "plan_latency.py --address {ours} --candidates 1000 --out {out}",
        "--requests 12 --rounds 2 --callers 1 16",
    ),
    "tax": Part(
        "what the gateway adds to its calls of Triton",
        "gateway_tax.py --triton {triton} --address {ours}",
        "--plans 5 --rounds 2",
    ),
    "saturation": Part(
        "the gateway at saturation beside its models alone", "saturation.py", "--rounds 1 --seconds 1.5"
    ),
    "seed": Part(
        "beside a tutorial's planner",
        "seed_planner.py --address {ours}",
        "--rounds 1 --plans 20 --candidates 64",
    ),
    "encoder": Part(
        "the encoder through Triton beside the same graph in one process",
        "encoder_limit.py --triton {triton} --release {release}",
        "--rounds 1 --texts 128",
    ),
    "peers": Part(
        "beside other servers of the same BERT",
        "-m peers.run --gateway ours={ours} --gateway ours_fp32={ours_fp32} --out {out}",
        "--peers onnx_grpc fastapi_torch --rounds 1 --seconds 1 --concurrency 4",
    ),
    "sweeps": Part("how latency and memory grow", "sweeps.py --out {out}", "--quick"),
    "catalog": Part(
        "upserts of products, and how soon all processes know them",
        "catalog.py --triton {triton} --out {out}",
        "--products 200 --at-once 50 --looks 5",
    ),
    "retrieval": Part(
        "exact retrieval beside the memory's bandwidth",
        "large_retrieval.py --out {out}",
        "--sizes 1000 20000 --rounds 2 --read-megabytes 64",
    ),
}


def command(words: str, known: dict[str, str]) -> list[str]:
    """A part's command line."""
    first, *rest = words.format(**known).split()
    return [sys.executable, *([first] if first == "-m" else [str(HERE / first)]), *rest]


@contextmanager
def servers(words: str) -> Iterator[dict[str, str]]:
    """Addresses of the servers that a command names, started for it."""
    named = {name for _, name, _, _ in string.Formatter().parse(words) if name}
    gateways = [name for name in serving.GATEWAYS if name in named]
    found: dict[str, str] = {}
    with ExitStack() as running:
        if "triton" in named or gateways:
            found["triton"] = running.enter_context(serving.triton()).address
        for name in gateways:
            found[name] = running.enter_context(serving.gateway(name, found["triton"])).address
        yield found


def run_part(name: str, quick: bool, out: Path) -> Result:
    """The document that a part prints last.

    Raises:
        RuntimeError: the part failed; its own words are above.
    """
    part = PARTS[name]
    print(f"== {name}: {part.shows}", file=sys.stderr)
    words = f"{part.command} {part.quick}" if quick else part.command
    with servers(words) as found:
        known = found | {"release": str(serving.newest_release()), "out": str(out)}
        environment = os.environ | {"PYTHONPATH": str(HERE)}
        done = subprocess.run(
            command(words, known), stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, check=False
        )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"part {name} failed with status {done.returncode}")
    result: Result = json.loads(lines[-1])
    return result


def versions() -> dict[str, str]:
    """What everything ran with: the system, its memory, the packages, the one that the local Triton comes from."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = {platform.system(): platform.release(), "memory": f"{memory:.0f} GiB", "Python": platform.python_version()}
    places = [str(place) for place in (ROOT / ".venv-triton/lib").glob("python*/site-packages")]
    triton = {found.name: found.version for found in distributions(name="nvidia-pytriton", path=places)}
    return system | {name: version(name) for name in PACKAGES} | triton


def earlier(path: Path, here: str) -> Result:
    """What an earlier run on this machine measured: `parts`, `measured` and `versions`."""
    before: Result = json.loads(path.read_text()) if path.exists() else {}
    kept = before if before.get("machine") == here else {}
    return {name: dict(kept.get(name, {})) for name in ("parts", "measured", "versions")}


def write(folder: Path, found: Result, quick: bool) -> Result:
    """Write the document, the plots and the page; `found` is what `earlier` gives, and what was measured since."""
    parts = {name: found["parts"][name] for name in PARTS if name in found["parts"]}
    result: Result = {"command": "python benchmarks/bench.py --quick" if quick else "make bench"}
    result |= {"quick": True} if quick else {}
    result |= {"machine": machine(), "versions": found["versions"], **figures(parts)}
    result |= {"measured": {name: found["measured"][name] for name in parts}, "parts": parts}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [path.relative_to(folder) for path in plots.draw(result, folder / "plots")]
    (folder / "latest.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / "latest.md").write_text(markdown(result, drawn))
    return result


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure serving on this machine.")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works; no measurements")
    given = parser.parse_args()
    folder = RUN / "quick" if given.quick else OUT
    found = earlier(folder / "latest.json", machine())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    failed = []
    result = write(folder, found, given.quick)
    for name in given.parts:
        start = time.monotonic()
        try:
            found["parts"][name] = run_part(name, given.quick, RUN / "out")
        except (RuntimeError, SystemExit) as error:
            print(error, file=sys.stderr)
            failed.append(name)
            continue
        found["measured"][name] = {
            "date": time.strftime("%Y-%m-%d"),
            "commit": commit.stdout.strip(),
            "release": serving.newest_release().name,
            "minutes": round((time.monotonic() - start) / 60, 1),
        }
        found["versions"] = versions()
        result = write(folder, found, given.quick)
    print((folder / "latest.md").read_text())
    print(json.dumps(result))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; their own words are above")


if __name__ == "__main__":
    main()
