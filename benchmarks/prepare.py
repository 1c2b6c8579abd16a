"""Data preparation beside the same in pandas: seconds and memory, in turns.

    python benchmarks/prepare.py          three rounds of `onshelf-exporter data` and of benchmarks/prepare_pandas.py

Each run is a fresh process that prepares The Complete Journey into an empty folder. Seconds are of the whole process;
CPU seconds beside them tell more where other work shares the machine. Memory is the most that the process held at once
(its maximum resident set, files that it maps included). The text functions that the pandas script borrows stand in a
module that loads Ibis; the seconds of that import are taken off its time. Before anything is claimed, both results are
compared, rows and values, see `prepare_pandas.differences`. Ratios are of medians: time above 1 means that the exporter
is faster, memory below 1 that it needs less. Writes benchmarks/results/prepare.json; the last line printed is the same
document.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plan_latency import ROOT, machine, rounded
from prepare_pandas import differences

EXPORTER, PANDAS = "exporter", "pandas"


def run(command: list[str], log: Path) -> dict[str, float]:
    """Run one process: seconds, CPU seconds, megabytes at the peak; raises SystemExit with its output if it fails."""
    with log.open("w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{log.read_text()[-2000:]}")
    return {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}


def measure(folder: Path, source: list[str], rounds: int, settings: list[str]) -> dict[str, Any]:
    """All rounds, and what the two results differ in."""
    runs: dict[str, list[dict[str, float]]] = {EXPORTER: [], PANDAS: []}
    exported, by_pandas, log = folder / "data", folder / "pandas", folder / "log"
    commands = {
        EXPORTER: [
            *(
                sys.executable,
                "-m",
                "onshelf_exporter",
                "data",
                "--dataset",
                "complete_journey",
                "--out",
                str(exported),
            ),
            *settings,
            *source,
        ],
        PANDAS: [sys.executable, str(ROOT / "benchmarks/prepare_pandas.py"), "--out", str(by_pandas), *source],
    }
    for turn in range(rounds):
        for name in commands if turn % 2 == 0 else reversed(commands):
            shutil.rmtree(exported if name == EXPORTER else by_pandas, ignore_errors=True)
            one = run(commands[name], log)
            if name == PANDAS:
                told = json.loads(log.read_text().splitlines()[-1])
                for key in ("seconds", "cpu_seconds"):
                    one[key] -= told[f"{key}_of_imports_of_the_engine"]
            runs[name].append(one)
            print(f"round {turn + 1}, {name}: {one['seconds']:.1f} s, {one['megabytes']:.0f} MB", file=sys.stderr)
    medians = {
        name: {key: statistics.median(one[key] for one in some) for key in some[0]} for name, some in runs.items()
    }
    report = json.loads((exported / "complete_journey" / "report.json").read_text())
    return {
        "runs": runs,
        "medians": medians,
        "ratios": {
            "prepare_vs_pandas": medians[PANDAS]["seconds"] / medians[EXPORTER]["seconds"],
            "prepare_vs_pandas_cpu": medians[PANDAS]["cpu_seconds"] / medians[EXPORTER]["cpu_seconds"],
            "prepare_vs_pandas_memory": medians[EXPORTER]["megabytes"] / medians[PANDAS]["megabytes"],
        },
        "slowest_steps": slowest(report),
        "differences": differences(by_pandas, exported / "complete_journey"),
    }


def slowest(report: dict[str, Any], count: int = 5) -> list[dict[str, Any]]:
    """The steps of the exporter's last run that took longest."""
    starts = [float(step["at_seconds"]) for step in report["steps"]] + [float(report["seconds"])]
    steps = [
        {"step": step["step"], "seconds": round(end - start, 2)}
        for step, start, end in zip(report["steps"], starts, starts[1:], strict=False)
    ]
    return sorted(steps, key=lambda step: -step["seconds"])[:count]


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"{'':9} {'seconds':>8} {'CPU s':>7} {'MB':>6}   seconds of each round"]
    for name, median in result["medians"].items():
        each = ", ".join(f"{one['seconds']:.1f}" for one in result["runs"][name])
        lines.append(
            f"{name:9} {median['seconds']:8.1f} {median['cpu_seconds']:7.1f} {median['megabytes']:6.0f}   {each}"
        )
    ratios = result["ratios"]
    lines.append(
        f"{ratios['prepare_vs_pandas']:.2f} times as fast as pandas (CPU {ratios['prepare_vs_pandas_cpu']:.2f}), "
        f"{ratios['prepare_vs_pandas_memory']:.2f} of its memory"
    )
    lines += [f"{step['seconds']:8.1f} s  {step['step']}" for step in result["slowest_steps"]]
    return "\n".join([*lines, *(result["differences"] or ["no differences in rows or values"])])


def main() -> None:
    """Measure, write, print; the exit status is 1 where a row or value differs."""
    parser = argparse.ArgumentParser(description="Measure data preparation beside pandas.")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    parser.add_argument("--threads", type=int, help="threads of the exporter's engine (default: the exporter's)")
    parser.add_argument("--memory-gb", type=float, help="memory of its engine in GB (default: the exporter's)")
    parser.add_argument("--source", type=Path, help="folder of the source's files (default: the installed package's)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    arguments = parser.parse_args()
    source = ["--source", str(arguments.source)] if arguments.source else []
    given = {"--threads": arguments.threads, "--memory-gb": arguments.memory_gb}
    flags = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), source, arguments.rounds, flags)
    result = rounded(
        {
            "command": "make bench-prepare",
            "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
            "date": time.strftime("%Y-%m-%d"),
            "rounds": arguments.rounds,
            "settings": " ".join(flags) or "the exporter's defaults",
            **found,
        }
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "prepare.json").write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    print(json.dumps(result))
    sys.exit(bool(result["differences"]))


if __name__ == "__main__":
    main()
