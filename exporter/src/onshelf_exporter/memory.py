"""Memory: how much is free for this process, and giving back what it no longer holds."""

import ctypes
import gc
from pathlib import Path

LIMITS = (  # limit, what is held, and the part of that which files fill and which gives way: control groups 2 and 1
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def free(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this machine, or this process's control group, still has for it.

    Args:
        cgroup: where control groups are mounted.
        meminfo: the kernel's file of that name.
    """
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    found = int(lines["MemAvailable"].split()[0]) * 1024
    for *files, gives_way in LIMITS:
        try:
            most, held, stat = ((cgroup / name).read_text(encoding="utf-8").strip() for name in files)
        except OSError:
            continue  # control groups of the other version
        if most != "max":
            cached = dict(line.split() for line in stat.splitlines())
            found = min(found, max(0, int(most) - int(held) + int(cached.get(gives_way, 0))))
    return found


def give_back() -> None:
    """Return freed memory to the system: the C library keeps it otherwise, and processes side by side lack it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
