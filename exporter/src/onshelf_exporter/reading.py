"""Reads a retailer's files as they are: encodings, delimiters, numbers and dates in the ways people write them."""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from onshelf_exporter.errors import SourceError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
DELIMITERS = ",;\t|"
SNIFF_BYTES = 1 << 20

# (format of DuckDB's strptime, as a person writes it); tried in this order, the one that reads most values wins.
TIME_FORMATS = (
    ("%Y-%m-%d %H:%M:%S", "2024-05-31 18:30:00"),
    ("%Y-%m-%dT%H:%M:%S", "2024-05-31T18:30:00"),
    ("%Y-%m-%d %H:%M", "2024-05-31 18:30"),
    ("%Y-%m-%d", "2024-05-31"),
    ("%Y/%m/%d %H:%M:%S", "2024/5/31 18:30:00"),
    ("%Y/%m/%d %H:%M", "2024/5/31 18:30"),
    ("%Y/%m/%d", "2024/5/31"),
    ("%d.%m.%Y %H:%M:%S", "31.05.2024 18:30:00"),
    ("%d.%m.%Y %H:%M", "31.05.2024 18:30"),
    ("%d.%m.%Y", "31.05.2024"),
    ("%d/%m/%Y %H:%M:%S", "31/05/2024 18:30:00 (day first)"),
    ("%d/%m/%Y %H:%M", "31/05/2024 18:30 (day first)"),
    ("%d/%m/%Y", "31/05/2024 (day first)"),
    ("%m/%d/%Y %H:%M:%S", "05/31/2024 18:30:00 (month first)"),
    ("%m/%d/%Y %H:%M", "05/31/2024 18:30 (month first)"),
    ("%m/%d/%Y", "05/31/2024 (month first)"),
    ("%Y年%m月%d日 %H:%M:%S", "2024年5月31日 18:30:00"),
    ("%Y年%m月%d日 %H:%M", "2024年5月31日 18:30"),
    ("%Y年%m月%d日", "2024年5月31日"),
    ("%Y%m%d", "20240531"),
)


@dataclass
class RawFile:
    """A file as it is: all columns of a text file are texts.

    Attributes:
        path: the file.
        table: its rows.
        notes: what was found out about it: encoding, delimiter.
    """

    path: Path
    table: pa.Table
    notes: list[str] = field(default_factory=list)


def read_file(path: Path) -> RawFile:
    """Read a CSV, TSV or Parquet file.

    Raises:
        SourceError: it cannot be read, and why.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        try:
            return RawFile(path, pq.read_table(path), ["Parquet"])
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(f"{path}: is not a readable Parquet file: {error}") from error
    if suffix not in TEXT_SUFFIXES:
        raise SourceError(f"{path}: {suffix or 'no ending'} is not read. Save it as CSV (UTF-8) or Parquet")
    content = path.read_bytes()
    encoding = _encoding(content, path)
    text = content.decode(encoding).lstrip("\ufeff")
    first = text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
    if not first.strip():
        raise SourceError(f"{path}: is empty")
    delimiter = max(DELIMITERS, key=first.count)
    headers = next(csv.reader(io.StringIO(first), delimiter=delimiter))
    twice = sorted({header for header in headers if headers.count(header) > 1})
    if twice:
        raise SourceError(f"{path}: header {twice[0]!r} stands twice; columns need different names")
    try:
        table = pa_csv.read_csv(
            io.BytesIO(text.encode("utf-8")),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(headers, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{path}: a row does not fit the header ({error}). Are texts with {delimiter!r} in quotes?"
        ) from error
    notes = [f"encoding {encoding.upper()}", f"delimiter {'tab' if delimiter == chr(9) else delimiter!r}"]
    if encoding != "utf-8":
        notes.append("it is written as UTF-8 from here on")
    return RawFile(path, table, notes)


def _encoding(content: bytes, path: Path) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\x00" in content[:SNIFF_BYTES]:
        raise SourceError(f"{path}: is not a text file (it holds zero bytes). Save it as CSV (UTF-8) or Parquet")
    if _is(content, "utf-8"):
        return "utf-8"
    # Chinese letters are pairs of high bytes; a letter with an accent stands alone between plain ones.
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", content[:SNIFF_BYTES])]
    if sum(length for length in runs if length > 1) >= 0.8 * sum(runs) and _is(content, "gb18030"):
        return "gb18030"
    return "cp1252" if _is(content, "cp1252") else "latin-1"


def _is(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def number(column: ir.Value, decimal_comma: bool) -> ir.Value:
    """Numbers as people write them: currency signs and thousands separators are dropped; null where there is none."""
    if not column.type().is_string():
        return column.cast("float64")
    text = column.re_replace(r"[^0-9,.\-+eE]", "").nullif("")
    plain = text.replace(".", "").replace(",", ".") if decimal_comma else text.replace(",", "")
    return plain.try_cast("float64")


def has_decimal_comma(values: list[str]) -> bool:
    """Whether numbers use a comma before the decimals: more values end in ",5" or ",50" than in ".5" or ".50"."""
    tails = [value.strip(" \u00a0€$¥£元").rpartition(",")[2] for value in values if "," in value]
    commas = sum(len(tail) in (1, 2) and tail.isdigit() for tail in tails)
    points = sum(len(value.rpartition(".")[2].strip(" €$¥£元")) in (1, 2) for value in values if "." in value)
    return commas > points


@ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), "timestamp"))  # type: ignore[untyped-decorator, unused-ignore]
def _parsed(text: str, pattern: str) -> None:
    """The engine's own parser; null where the text does not fit."""


def time(column: ir.Value) -> tuple[ir.Value, str]:
    """Times in whichever of TIME_FORMATS reads most of the values, or seconds or milliseconds since 1970.

    Returns:
        The times, and the format in words; a remark where day and month could be either way round.
    """
    if not column.type().is_string():
        if column.type().is_numeric():
            seconds = ibis.ifelse(column.cast("float64") > 1e11, column.cast("float64") / 1000, column.cast("float64"))
            return seconds.cast("int64").as_timestamp("s").cast("timestamp"), "seconds or milliseconds since 1970"
        return column.cast("timestamp"), "times"
    text = column.strip().re_replace(r"(\d{2}:\d{2})\.\d+$", r"\1")
    candidates = {pattern: _parsed(text, pattern) for pattern, _ in TIME_FORMATS}
    digits = text.re_search(r"^\d{10}(\d{3})?$")
    epoch = ibis.ifelse(
        digits, text.try_cast("float64") / ibis.ifelse(text.length() == 13, 1000.0, 1.0), ibis.null("float64")
    )
    candidates["epoch"] = epoch.cast("int64").as_timestamp("s").cast("timestamp")
    table = column.as_table()
    counts = (
        table.agg(**{f"c{i}": value.count() for i, value in enumerate(candidates.values())}).to_pyarrow().to_pylist()[0]
    )
    ordered = list(candidates)
    best = max(range(len(ordered)), key=lambda i: (counts[f"c{i}"], -i))
    pattern = ordered[best]
    words = dict(TIME_FORMATS).get(pattern, "seconds or milliseconds since 1970")
    twin = pattern.replace("%d/%m", "%m/%d") if "%d/%m" in pattern else ""
    if twin and counts[f"c{ordered.index(twin)}"] == counts[f"c{best}"]:
        words += "; every value could be month first as well: check this"
    return candidates[pattern], words
