"""Do what a stranger does, and time it: `python3.11 setup/fresh.py`, or `make fresh PARTS="install run"`.

It clones the last commit into a temporary folder whose path has a space, with an empty home and an empty package cache,
and runs there `make setup`, `make run`, `make run` again, `make stop`, `make test` and `make test` again. Seconds, the
largest memory, the longest time without a new line of output and the disk go to benchmarks/results/fresh.json with
machine, date and commit, and from there by `--copy` into README.md. `make run` has to write a line every 15 seconds.
`--check` says whether README.md is stale, and which steps are neither measured nor left out with a reason (`--why`).
A machine that does other things meanwhile measures them too: the load at the start is kept with the times. Runs on the
standard library.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "fresh.json"
README = ROOT / "README.md"
BEGIN = "<!-- times: copied from benchmarks/results/fresh.json by setup/fresh.py -->"
END = "<!-- end of times -->"
# name -> its target, and what the README says of it
STEPS = {
    "install": ("setup", "`make setup`, its first part: installing"),
    "run": ("run", "`make run` after that"),
    "again": ("run", "`make run` again"),
    "stop": ("stop", "`make stop`"),
    "test": ("test", "`make test`, with its tools to install"),
    "retest": ("test", "`make test` again, without slow tests that passed"),
}
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
# by these a newer processor does as an older one; ONNX Runtime has none
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE")
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER", "LOGNAME", "SHELL", *LIMITS)  # of the environment
KEPT_PREFIXES = (
    "PIP_",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "PYENV_",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP",
    "NO_PROXY",
)
SAMPLE_SECONDS = 2.0
SILENT_SECONDS = 15.0  # that `make run > log 2>&1` may go without a new line


class Memory(threading.Thread):
    """Looks now and then at how much memory the processes that work below a folder have, until `stop` is called.

    Attributes:
        folder: the processes' working folder, or one above it.
        without: process ids that do not count.
        largest: bytes, the most that was seen.
    """

    def __init__(self, folder: Path, without: Collection[int] = ()) -> None:
        super().__init__(daemon=True)
        self.folder = str(folder)
        self.without = frozenset(without)
        self.largest = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._over.wait(SAMPLE_SECONDS):
            self.largest = max(self.largest, memory_below(self.folder, self.without))

    def stop(self) -> int:
        """End; returns the largest number of bytes seen."""
        self._over.set()
        self.join()
        return self.largest


def processes_below(folder: str) -> set[int]:
    """Ids of the processes whose working folder is there."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(folder):
                found.add(int(process.name))
        except OSError:
            continue  # it ended, or belongs to someone else
    return found


def memory_below(folder: str, without: Collection[int] = ()) -> int:
    """Bytes of memory of the processes whose working folder is there; what they share is counted once."""
    total = 0
    for process in processes_below(folder).difference(without):
        try:
            said = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", said, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total


def machine() -> dict[str, Any]:
    """Processor, cores, instruction sets that matter here, memory, load at the start, Python."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    return {
        "processor": fields.get("model name", "unknown"),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [name for name in INSTRUCTIONS if name in fields.get("flags", "").split()],
        "limits": {name: os.environ[name] for name in LIMITS if name in os.environ},
        "memory_gb": round(int(memory[1]) * 1024 / 1e9, 1) if memory else None,
        "load": round(os.getloadavg()[0], 1),
        "python": "{}.{}.{}".format(*sys.version_info),
    }


def strangers_environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that a new user has: an empty home and package cache, the machine's own access to packages."""
    kept = {key: value for key, value in variables.items() if key in KEPT or key.startswith(KEPT_PREFIXES)}
    kept.pop("PIP_NO_CACHE_DIR", None)
    return kept | {"HOME": str(home), "PIP_CACHE_DIR": str(home / "pip cache")}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def git(*arguments: str, folder: Path = ROOT) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def disk(folder: Path) -> int:
    """Bytes of a folder."""
    said = subprocess.run(["du", "-s", "-B1", str(folder)], capture_output=True, text=True, check=False).stdout
    return int(said.split()[0]) if said else 0


def written(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What a process writes into its pipe, until it ends; a server that it leaves behind may hold the pipe open."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    while True:
        ended = process.poll() is not None
        if select.select([pipe], [], [], 0 if ended else 0.5)[0]:
            if not (piece := os.read(pipe, 1 << 16)):
                return
            yield piece
        elif ended:
            return


def run_step(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, float, float]:
    """Run a command with its output shown.

    Returns:
        Its exit status, its seconds, and the most of them without a new line in a log (`make run > log 2>&1`).
    """
    begin = last = time.monotonic()
    silent = 0.0
    keep = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=folder, env=dict(environment), **keep) as process:
        try:
            for piece in written(process):
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                if b"\n" in piece:
                    now = time.monotonic()
                    silent, last = max(silent, now - last), now
            status = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    end = time.monotonic()
    return status, end - begin, max(silent, end - last)


def measure(parts: Sequence[str], folder: Path, why: str = "") -> dict[str, Any]:
    """Run the steps in a new clone below `folder`; returns the document. A step that fails ends it.

    why: the reason that other steps are left out; none where it is empty.
    """
    clone, home = folder / "my shop", folder / "home of a stranger"
    home.mkdir(parents=True)
    git("clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
    commit = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "--detach", commit, folder=clone)
    environment = strangers_environment(home, os.environ)
    ports = [f"GATEWAY_PORT={free_port()}", f"METRICS_PORT={free_port()}", f"PYTHON={sys.executable}"]
    document: dict[str, Any] = {
        "commit": commit,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "steps": {},
        "not_measured": {name: why for name in STEPS if name not in parts and why},
    }
    try:
        for name in (name for name in STEPS if name in parts):
            print(f"== {name}: make {STEPS[name][0]}", flush=True)
            watched = Memory(clone)
            watched.start()
            status, seconds, silent = run_step(["make", STEPS[name][0], *ports], clone, environment)
            largest = watched.stop()
            print(
                f"== {name}: {seconds:.0f} s, {largest / 1e9:.1f} GB of memory, "
                f"at most {silent:.1f} s without a new line, status {status}",
                flush=True,
            )
            document["steps"][name] = {
                "seconds": round(seconds, 1),
                "memory_gb": round(largest / 1e9, 2),
                "silent_seconds": round(silent, 1),
            }
            if status != 0:
                document["failed"] = name
                break
    finally:
        subprocess.run(["make", "stop", *ports], cwd=clone, env=environment, check=False, capture_output=True)
    document["disk_gb"] = {
        name: round(disk(clone / name) / 1e9, 2)
        for name in (".venv", ".venv-triton", "var", "model_repository")
        if (clone / name).exists()
    }
    return document


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def too_silent(steps: Mapping[str, Mapping[str, float]]) -> str:
    """Which `make run` went too long without a new line; empty where none did, or where none was listened to."""
    found = [
        f"`make run` (step {name}) wrote no line for {silent:.1f} s; {SILENT_SECONDS:.0f} are allowed"
        for name, (target, _) in STEPS.items()
        if target == "run" and (silent := steps.get(name, {}).get("silent_seconds", 0.0)) > SILENT_SECONDS
    ]
    return "; ".join(found)


def unexplained(result: Mapping[str, Any] | None) -> list[str]:
    """The steps that a result has neither a measurement of nor a reason for leaving them out."""
    known = {*result["steps"], *result.get("not_measured", {})} if result else set()
    return [name for name in STEPS if name not in known]


def section(result: Mapping[str, Any] | None) -> str:
    """What stands between the marks of README.md."""
    if result is None:
        return (
            "Not measured yet: `make fresh` does what a new user does, from an empty home, and writes its times here."
        )
    if "failed" in result:
        raise ValueError(f"step {result['failed']} failed: its times are not for the README")
    steps, on = result["steps"], result["machine"]
    if wrong := too_silent(steps):
        raise ValueError(f"{wrong}: these times are not for the README")
    listened = all("silent_seconds" in step for step in steps.values())  # results from before 2026-12 have none
    head = ["Step, from an empty home and package cache", "Time", "Memory", "Longest time without a new line"]
    rows = [head, ["---"] * len(head)]
    rows += [
        [
            STEPS[name][1],
            duration(steps[name]["seconds"]),
            f"{steps[name]['memory_gb']:.1f} GB",
            f"{steps[name].get('silent_seconds', 0):.0f} s",
        ]
        for name in STEPS
        if name in steps
    ]
    reasons = result.get("not_measured", {})
    missing = [f"`{name}`" + (f" ({reasons[name]})" if name in reasons else "") for name in STEPS if name not in steps]
    limits = ", ".join(f"`{name}={value}`" for name, value in on["limits"].items())
    disk_gb = sum(result["disk_gb"].values())
    return "\n".join(
        [
            *(f"| {' | '.join(row if listened else row[:-1])} |" for row in rows),
            "",
            f"`make fresh` on {on['processor']}, {on['cores']} cores ({', '.join(on['instructions']) or 'no AVX2'}), "
            + (f"limited by {limits}, " if limits else "")
            + f"load {on['load']} at the start, Python {on['python']}, {result['date']}, "
            f"commit {result['commit'][:12]}; {disk_gb:.1f} GB of disk afterwards."
            + (f" Not measured: {', '.join(missing)}." if missing else ""),
        ]
    )


def replaced(text: str, new: str) -> str:
    """A text with what stands between its marks replaced; raises ValueError unless they are there, once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md needs the lines {BEGIN!r} and {END!r}, once each")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.split(END)[1]}"


def copy(result: Path, readme: Path, *, check: bool) -> str:
    """Copy the times into README.md, or compare; returns what is wrong, empty where nothing is."""
    try:
        document = json.loads(result.read_text(encoding="utf-8")) if result.exists() else None
        old = readme.read_text(encoding="utf-8")
        new = replaced(old, section(document))
    except ValueError as error:
        return str(error)
    if check:
        stale = "" if new == old else "stale: README.md: run `python setup/fresh.py --copy`"
        missing = ", ".join(unexplained(document))
        return stale or (missing and f"not measured, and without a reason: {missing}: run `make fresh`, or give WHY")
    readme.write_text(new, encoding="utf-8")
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, copy or check; returns the exit status."""
    parser = argparse.ArgumentParser(description="Do what a new user does, and time it.")
    parser.add_argument("--parts", nargs="+", choices=STEPS, default=list(STEPS), help="do only these steps")
    parser.add_argument("--why", default="", help="the reason that the other steps are left out, for the README")
    parser.add_argument("--keep", action="store_true", help="keep the temporary clone, and say where it is")
    parser.add_argument("--copy", action="store_true", help="copy the last result into README.md, and do nothing else")
    parser.add_argument("--check", action="store_true", help="say whether README.md has the last result")
    parser.add_argument("--result", type=Path, default=RESULT, help="the document")
    parser.add_argument("--readme", type=Path, default=README, help="the text")
    given = parser.parse_args(arguments)
    if given.copy or given.check:
        wrong = copy(given.result, given.readme, check=given.check)
        print(wrong, end="\n" if wrong else "", file=sys.stderr)
        return 1 if wrong else 0
    if git("status", "--porcelain", "--untracked-files=no"):
        print("== there are changes without a commit: they are not part of this", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="onshelf fresh "))
    try:
        document = measure(given.parts, folder, given.why)
    finally:
        if given.keep:
            print(f"== kept: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    given.result.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2), flush=True)
    if "failed" in document:
        print(f"fresh: make {STEPS[document['failed']][0]} failed; its output is above", file=sys.stderr)
        return 1
    if wrong := too_silent(document["steps"]):
        print(f"fresh: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
