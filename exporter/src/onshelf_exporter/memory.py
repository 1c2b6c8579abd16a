"""Memory: how much is free for this process, and giving back what it no longer holds."""

import ctypes
import gc
from pathlib import Path


def free(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this machine, or this process's control group, still has for it.

    Args:
        cgroup: where the control groups of version 2 are mounted.
        meminfo: the kernel's file of that name.
    """
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    found = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        most, held = ((cgroup / name).read_text(encoding="utf-8").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return found  # no limit of its own
    return found if most == "max" else min(found, max(0, int(most) - int(held)))


def give_back() -> None:
    """Return freed memory to the system: the C library keeps it otherwise, and processes side by side lack it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
