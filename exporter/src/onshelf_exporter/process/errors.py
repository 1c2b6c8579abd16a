"""The errors that a person can do something about: one tree, printed as one message (exit status 2).

ExporterError
    SourceError       Something to read is missing or unreadable: a folder, a file, a package, an encoding.
    DataError         A table breaks a rule of the schema: table, column, rule, count and sample rows.
    InvalidDataError  Several of these at once.
    SettingError      A setting has a value that it must not have.
"""

from collections.abc import Iterable, Sequence
from typing import Any


class ExporterError(Exception):
    """An expected failure: its message says what is wrong, where, and what to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross from one process to another as they are, whatever arguments their class takes."""
        return _restored, (type(self), str(self), self.__dict__)


class SourceError(ExporterError):
    """Something to read is missing or unreadable."""


class SettingError(ExporterError):
    """A setting has a value that it must not have.

    Args:
        name: the setting, as the user wrote it.
        value: the offending value.
        rule: what the value must be.
    """

    def __init__(self, name: str, value: object, rule: str) -> None:
        super().__init__(f"{name} = {value!r}: {rule}")
        self.name, self.value, self.rule = name, value, rule


class DataError(ExporterError):
    """A table breaks a rule of the schema.

    Args:
        table: canonical table.
        column: canonical column, or "" where the whole table is meant.
        rule: the rule in words.
        count: number of rows that break it; 0 where rows do not apply (a missing column).
        samples: a few offending rows, as dictionaries of the columns that tell them apart.
        hint: what to do about it.
    """

    def __init__(
        self,
        *,
        table: str,
        column: str,
        rule: str,
        count: int = 0,
        samples: Sequence[dict[str, Any]] = (),
        hint: str = "",
    ) -> None:
        where = f"{table}.{column}" if column else table
        rows = f" ({count:,} row{'s' if count != 1 else ''})" if count else ""
        shown = "".join(f"\n    {row}" for row in samples)
        super().__init__(f"{where}: {rule}{rows}{shown}" + (f"\n  {hint}" if hint else ""))
        self.table, self.column, self.rule, self.count, self.samples, self.hint = (
            table,
            column,
            rule,
            count,
            list(samples),
            hint,
        )


class InvalidDataError(ExporterError):
    """Several tables or columns break rules; `problems` holds one DataError each."""

    def __init__(self, problems: Iterable[DataError]) -> None:
        self.problems = list(problems)
        listed = "\n".join(str(problem) for problem in self.problems)
        super().__init__(f"{len(self.problems)} rules are broken; nothing was written.\n{listed}")


def _restored(kind: type[ExporterError], message: str, state: dict[str, Any]) -> ExporterError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error
