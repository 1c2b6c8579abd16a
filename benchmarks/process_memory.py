"""Memory of a server: of its process and of all that descend from it (Linux: /proc).

Resident memory (RSS) counts what processes share once for each of them, proportional memory (PSS) divides it among
them. The peak of RSS can be set back, and is then that of what comes after.
"""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
MB = 1024  # the files count in KiB


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it just ended
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for member in found:  # grows while it is read
        found += children.get(member, [])
    return found


def forget_peak(pids: Iterable[int]) -> None:
    """The peaks of these processes start anew from what they hold now."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            (PROC / str(pid) / "clear_refs").write_text("5")


def memory(pids: Iterable[int]) -> dict[str, float]:
    """Megabytes: RSS and PSS now, and the highest RSS since the peaks were set back; sums over the processes."""
    total = {"peak_mb": 0.0, "rss_mb": 0.0, "pss_mb": 0.0}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            status = (PROC / str(pid) / "status").read_text()
            if "VmRSS" not in status:  # it ended and was not waited for
                continue
            total["peak_mb"] += _kib(status, "VmHWM") / MB
            total["rss_mb"] += _kib(status, "VmRSS") / MB
            total["pss_mb"] += _kib((PROC / str(pid) / "smaps_rollup").read_text(), "Pss") / MB
    return {name: round(value, 1) for name, value in total.items()}


def own_peak() -> float:
    """The highest RSS of this process, megabytes."""
    return _kib((PROC / "self" / "status").read_text(), "VmHWM") / MB


def _kib(text: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.M)
    assert found is not None, f"no {field} in this kernel's files"
    return int(found[1])
