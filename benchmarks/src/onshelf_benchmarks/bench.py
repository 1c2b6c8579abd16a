"""All measurements of serving on this machine, into benchmarks/results/latest.{json,md} and plots.

    make bench                                   everything; about an hour on two cores
    make bench PARTS="tax seed"                  some parts; those of earlier runs on the same machine stay
    python -m onshelf_benchmarks.bench --empty-parts   the pages and plots of what was measured, anew
    make bench QUICK=1                           a few minutes, to see that every part works: into var/bench/quick
    python -m onshelf_benchmarks.readme          afterwards: the numbers into README.md

Each part is a command of its own and says how it measures; what it prints last is kept as it is. A part gets servers of
its own, those that its command names: the local Triton on model_repository/ and gateways with their caches off. When a
part fails, the others go on, and the exit status is 1. A part that was not measured is missing from the results, and
the page says so.
"""

import json
import os
import platform
import string
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Literal, NamedTuple

from onshelf_benchmarks import plots, servers
from onshelf_benchmarks.command import application
from onshelf_benchmarks.pages import markdown
from onshelf_benchmarks.record import RESULTS, ROOT, Document, NotMeasuredError, child, commit, machine, newest_release

PACKAGES = ("onnxruntime", "grpcio", "numpy", "torch", "tritonclient")


class Part(NamedTuple):
    """A module of this package: its command, and what is added to that for a quick check.

    A command may name {triton}, {ours} and {ours_fp32}: addresses of servers, started for it.
    """

    command: str
    quick: str


Name = Literal["latency", "tax", "saturation", "seed", "encoder", "peers", "sweeps", "catalog", "events", "retrieval"]
PARTS: dict[Name, Part] = {
    "latency": Part("latency --address {ours} --candidates 1000", "--requests 12 --rounds 2 --callers 1 16"),
    "tax": Part("tax --address {ours}", "--plans 5 --rounds 2"),
    "saturation": Part("saturation", "--rounds 1 --seconds 1.5"),
    "seed": Part("seed --address {ours}", "--rounds 1 --plans 20 --candidates 64"),
    "encoder": Part("encoder --triton {triton}", "--rounds 1 --texts 128"),
    "peers": Part(
        "peers.run --gateways ours={ours} ours_fp32={ours_fp32}",
        "--peers onnx_grpc fastapi_torch --rounds 1 --seconds 1",
    ),
    "sweeps": Part("sweeps", "--quick"),
    "catalog": Part("catalog --triton {triton}", "--products 200 --at-once 50 --looks 5"),
    "events": Part(
        "events --triton {triton}",
        "--count 2000 --rounds 2 --plans 20 --launches 10 --events 2000 --looks 10",
    ),
    "retrieval": Part("retrieval", "--size 20000 --rounds 2 --read-megabytes 64"),
}


@contextmanager
def served(command: str) -> Iterator[dict[str, str]]:
    """Addresses of the servers that a command names, started for it."""
    named = {name for _, name, _, _ in string.Formatter().parse(command) if name}
    found: dict[str, str] = {}
    with ExitStack() as running:
        if named:
            found["triton"] = running.enter_context(servers.triton()).address
        for name in (one for one in servers.GATEWAYS if one in named):
            found[name] = running.enter_context(servers.gateway(name, found["triton"])).address
        yield found


def run_part(name: Name, quick: bool) -> Document:
    """The document that a part prints last.

    Raises:
        NotMeasuredError: the part failed; its own words are above.
    """
    part = PARTS[name]
    print(f"== {name}: {part.command}", file=sys.stderr)
    with served(part.command) as addresses:
        module, *words = part.command.format(**addresses).split()
        return child(module, *words, *(part.quick.split() if quick else ()), "--out", str(servers.RUN / "out"))


def versions() -> dict[str, str]:
    """What everything ran with: the system, its memory, the packages, the one that the local Triton comes from."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = {platform.system(): platform.release(), "memory": f"{memory:.0f} GiB", "Python": platform.python_version()}
    places = [str(place) for place in (ROOT / ".venv-triton/lib").glob("python*/site-packages")]
    triton = {found.name: found.version for found in distributions(name="nvidia-pytriton", path=places)}
    return system | {name: version(name) for name in PACKAGES} | triton


def earlier(path: Path, here: str) -> Document:
    """What an earlier run on this machine measured: `parts`, `measured` and `versions`."""
    before: Document = json.loads(path.read_text()) if path.exists() else {}
    kept = before if before.get("machine") == here else {}
    return {name: dict(kept.get(name, {})) for name in ("parts", "measured", "versions")}


def write(folder: Path, found: Document, quick: bool) -> Document:
    """Write the document, the plots and the page; `found` is what `earlier` gives, and what was measured since."""
    parts: dict[str, Document] = {name: found["parts"][name] for name in PARTS if name in found["parts"]}
    result: Document = {"command": "make bench QUICK=1" if quick else "make bench"}
    result |= {"quick": True} if quick else {}
    result |= {"machine": machine(), "versions": found["versions"]}
    result |= {"measured": {name: found["measured"][name] for name in parts}, "parts": parts}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [path.relative_to(folder) for path in plots.draw(result, folder / "plots")]
    (folder / "latest.json").write_text(json.dumps(result, indent=2) + "\n")
    (folder / "latest.md").write_text(markdown(result, drawn))
    return result


def bench(*, parts: tuple[Name, ...] = tuple(PARTS), quick: bool = False) -> str:
    """Measure, write, print; returns what failed, empty where nothing did.

    Args:
        parts: what is measured.
        quick: few rounds, to see that it works; no measurements.
    """
    folder = servers.RUN / "quick" if quick else RESULTS
    found = earlier(folder / "latest.json", machine())
    failed, at = [], commit()
    result = write(folder, found, quick)
    for name in parts:
        start = time.monotonic()
        try:
            found["parts"][name] = run_part(name, quick)
        except (NotMeasuredError, SystemExit) as error:
            print(error, file=sys.stderr)
            failed.append(name)
            continue
        found["measured"][name] = {
            "date": time.strftime("%Y-%m-%d"),
            "commit": at,
            "release": newest_release().name,
            "minutes": round((time.monotonic() - start) / 60, 1),
        }
        found["versions"] = versions()
        result = write(folder, found, quick)
    print((folder / "latest.md").read_text())
    print(json.dumps(result))
    return f"failed: {', '.join(failed)}; their own words are above" if failed else ""


if __name__ == "__main__":
    sys.exit(application(bench)() or 0)
