"""How many threads work: decided here, from the processor cores that this process may use.

    ONSHELF_THREADS=4 make train        (default: auto)

`auto` is as many as there are cores, as far as this process may run on them and its control group has time for them.
A recipe's `threads` and the setting are upper bounds: more threads than cores only wait for each other.
"""

import os

from onshelf_exporter.process.errors import SettingError

SETTING = "ONSHELF_THREADS"


def usable(most: int = 0) -> int:
    """How many threads to work with.

    Args:
        most: upper bound of a recipe or of an argument; 0 for none.

    Raises:
        SettingError: ONSHELF_THREADS is neither auto nor a number of at least 1.
    """
    return choose(os.environ.get(SETTING, "auto"), cores(), most)


def choose(wanted: str, available: int, most: int = 0) -> int:
    """How many threads a setting means where so many cores are available."""
    if wanted != "auto" and not (wanted.isdecimal() and int(wanted) >= 1):
        raise SettingError(SETTING, wanted, "must be auto or a number of at least 1")
    bounds = (available, most, 0 if wanted == "auto" else int(wanted))
    return min(bound for bound in bounds if bound)


def cores() -> int:
    """Cores that this process may use: its affinity and its control group's quota; part of one counts as one."""
    import joblib  # here, as it takes a while to load

    return int(joblib.cpu_count())


def said(count: int) -> str:
    """One line about a choice."""
    return f"threads: {count} of {cores()} usable cores"
