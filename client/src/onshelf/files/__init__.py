"""Reads a retailer's files as they are: one reader for `onshelf plan --file`, `onshelf catalog upsert` and
`onshelf-exporter doctor` and `data`. It needs the extra `onshelf[files]`.

    raw = read_file("sales.csv")                  # table of texts as written, notes, losses
    price = numbers(raw.table["price"])           # typed values, how many were read, samples of the others
    when = times(raw.table["date"], timezone="Europe/Berlin")

Two rules hold for every function. A value that was not understood is neither a default nor missing: `Reading` counts
the value and keeps samples. A decision about a column, as a decimal comma or the day before the month, is made from
the whole column; where the column does not decide, `Reading.ambiguous` says so.
"""

from onshelf.files._identifiers import identifiers, texts, yes_no
from onshelf.files._numbers import currencies, currencies_of, decimals, numbers
from onshelf.files._raw import FileError, Loss, RawFile, Rejected
from onshelf.files._reader import SUFFIXES, is_readable, is_text, read_file, read_tables
from onshelf.files._reading import ERROR_WORDS, NULL_WORDS, UNKNOWN_WORD, Reading, as_texts
from onshelf.files._text import read_plain
from onshelf.files._times import times
from onshelf.files._units import Unit, unit_of

__all__ = [
    "ERROR_WORDS",
    "NULL_WORDS",
    "SUFFIXES",
    "UNKNOWN_WORD",
    "FileError",
    "Loss",
    "RawFile",
    "Reading",
    "Rejected",
    "Unit",
    "as_texts",
    "currencies",
    "currencies_of",
    "decimals",
    "identifiers",
    "is_readable",
    "is_text",
    "numbers",
    "read_file",
    "read_plain",
    "read_tables",
    "texts",
    "times",
    "unit_of",
    "yes_no",
]
