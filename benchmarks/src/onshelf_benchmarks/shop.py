"""What `make shop` takes for a shop of 500,000 lines as an old till exports them, and whether what was learned is true.

    make bench-shop

The files are generated (tests/messy_shop.py): guests, cancelled orders, corrections, changing titles, no categories,
monthly files in cp1252. Seconds, the largest memory and every difference from what the generator knows go to
benchmarks/results/own_files.json, with commit and machine. A run of another size, or one that fails, leaves that file
alone and says where its own is. The exit status is 1 where a goal is missed.

Where memory for two roles is free they are trained side by side; the run is told to use no more than the goal
(`ONSHELF_MEMORY_GB`), and what it used is measured. That no more is there takes a control group that the run sees as
its own, which is a container (`docker run --memory 4g --memory-swap 4g`). The limit that is found is kept in the
result.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from onshelf_benchmarks.command import application
from onshelf_benchmarks.record import RESULTS, ROOT, Document, circumstances
from onshelf_exporter.process.memory import LIMITS

sys.path[:0] = [str(ROOT / "setup"), str(ROOT / "tests")]  # the generator is that of the tests
from fresh import Memory, free_port, processes_below  # noqa: E402
from messy_shop import differences, write_messy_shop  # noqa: E402

RESULT = RESULTS / "own_files.json"
WORK = ROOT / "var/benchmarks/own_files"
LINES = 500_000
GOAL_SECONDS, GOAL_GB = 900, 4.0
MAY_DIFFER = 0.01  # of the launches: STRAY_CHANCE of onshelf_exporter.data.launch_rule


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> float | None:
    """GB of memory that the control group allows which this process sees as its own; None where it allows any."""
    files = [cgroup / limit for limit, *_ in LIMITS]
    texts = [file.read_text(encoding="utf-8").strip() for file in files if file.exists()]
    found = [int(text) for text in texts if text != "max" and int(text) < 1 << 60]  # version 1: huge for none
    return round(min(found) / 1e9, 2) if found else None


def missed(document: Document) -> list[str]:
    """A line for each goal that a run missed."""
    goal, found = document["goal"], []
    if document["seconds"] > goal["seconds"]:
        found.append(f"{document['seconds']:.0f} s, the goal is {goal['seconds']} s")
    if document["memory_gb"] > goal["memory_gb"]:
        limit = document["memory_limit_gb"]
        had = "without a limit" if limit is None else f"limited to {limit} GB"
        found.append(f"{document['memory_gb']} GB of memory {had}, the goal is {goal['memory_gb']} GB")
    return found


def make(target: str, settings: Sequence[str], environment: dict[str, str]) -> int:
    """Run a target of the menu; returns its exit status. Where this process is ended, so is what the target started."""
    command = ["make", target, *settings]
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def run(lines: int) -> Document:
    """Generate, run, compare; returns the document."""
    settings = [f"FILE={WORK / 'sales'}", "CURRENCY=GBP", f"VAR={WORK / 'var'}"]
    settings += [f"GATEWAY_PORT={(port := free_port())}", f"METRICS_PORT={free_port()}"]
    environment = os.environ | {"ONSHELF_ADDRESS": f"127.0.0.1:{port}", "ONSHELF_MEMORY_GB": f"{GOAL_GB:g}"}
    make("stop", settings, environment)  # what an earlier run left behind, before its folder goes
    shutil.rmtree(WORK, ignore_errors=True)
    truth = write_messy_shop(WORK / "sales", lines=lines)
    document = circumstances() | {
        "memory_limit_gb": memory_limit(),
        "lines": truth.lines,
        "goal": {"seconds": GOAL_SECONDS, "memory_gb": GOAL_GB},
    }
    watched = Memory(ROOT, without=processes_below(str(ROOT)))  # neither the truth's memory nor that of others counts
    watched.start()
    begin = time.monotonic()
    try:
        status = make("shop", settings, environment)
        seconds, largest = time.monotonic() - begin, watched.stop()
    finally:
        make("stop", settings, environment)
    document |= {"status": status, "seconds": round(seconds, 1), "memory_gb": round(largest / 1e9, 2)}
    features = next((WORK / "var").glob("shops/shop/**/features"), None)
    if features is None:
        return document | {"differences": ["nothing was prepared"], "missed": ["nothing was prepared"]}
    beyond_chance = differences(truth, features, launches_may_differ=MAY_DIFFER)
    return document | {"differences": differences(truth, features), "missed": [*missed(document), *beyond_chance]}


def measure(*, lines: int = LINES) -> int:
    """Run and keep the result; returns 1 where the command fails, a goal is missed or too much was learned wrong.

    Args:
        lines: of the shop's files.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    document = run(lines)
    result = RESULT if lines == LINES and document["status"] == 0 else WORK / "own_files.json"
    result.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"== result: {result}\n{json.dumps(document, indent=2)}", flush=True)
    if document["status"]:
        print(f"own_files: make shop failed with status {document['status']}", file=sys.stderr)
    for line in document["missed"]:
        print(f"own_files: missed: {line}", file=sys.stderr)
    return 1 if document["status"] or document["missed"] else 0


if __name__ == "__main__":
    sys.exit(application(measure)())
