"""Memory of a server: the highest RSS of its process and of all that descend from it (Linux: /proc).

Resident memory (RSS) counts what processes share once for each of them. Its peak can be set back, and is then that of
what comes after.
"""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


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


def peak(pids: Iterable[int | str]) -> float:
    """Megabytes since the peaks were set back, summed over the processes; "self" is this one, an ended one has none."""
    total = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            found = re.search(r"^VmHWM:\s+(\d+) kB", (PROC / str(pid) / "status").read_text(), re.M)
            total += int(found[1]) if found else 0
    return round(total / 1024, 1)
