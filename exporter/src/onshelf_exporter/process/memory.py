"""Memory: how much is free for this process, and giving back what it no longer holds.

    ONSHELF_MEMORY_GB=4 make shop FILE=...        (default: all that is free)

What would need more than the setting side by side is done in turn. It is no limit that the system enforces.
"""

import ctypes
import gc
import os
from pathlib import Path

from onshelf_exporter.process.errors import SettingError

SETTING = "ONSHELF_MEMORY_GB"
LIMITS = (  # limit, what is held, and the part of that which files fill and which gives way: control groups 2 and 1
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def free(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this machine, this process's control group and the setting still have for it.

    Args:
        cgroup: where control groups are mounted.
        meminfo: the kernel's file of that name.

    Raises:
        SettingError: ONSHELF_MEMORY_GB is no number above 0.
    """
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    found = int(lines["MemAvailable"].split()[0]) * 1024
    for *files, gives_way in LIMITS:
        try:
            most, used, stat = ((cgroup / name).read_text(encoding="utf-8").strip() for name in files)
        except OSError:
            continue  # control groups of the other version
        if most != "max":
            cached = dict(line.split() for line in stat.splitlines())
            found = min(found, max(0, int(most) - int(used) + int(cached.get(gives_way, 0))))
    bound = stated()
    return found if bound is None else min(found, max(0, bound - held()))


def held() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stated() -> int | None:
    """The setting in bytes; None where there is none. Raises SettingError as `free`."""
    written = os.environ.get(SETTING)
    if not written:
        return None
    try:
        found = float(written)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise SettingError(SETTING, written, "must be a number of gigabytes above 0, such as 4")
    return int(found * 1e9)


def give_back() -> None:
    """Return freed memory to the system: the C library keeps it otherwise, and processes side by side lack it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
