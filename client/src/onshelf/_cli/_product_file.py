"""Products of a file as shops keep them: any common header names, also Chinese. `onshelf.files` reads the file and its
columns; a JSON object a line may have the same names.
"""

import dataclasses
import importlib
import itertools
import json
import re
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onshelf._cli._terminal import clean
from onshelf._cli._usage import UsageError
from onshelf._cli._values import category_path
from onshelf._enums import BrandClass
from onshelf._inputs import Product
from onshelf._money import Money

if TYPE_CHECKING:
    from onshelf.files import RawFile, Reading, Unit

# What a column is called, after case, spaces, punctuation and units in brackets are taken away.
HEADERS = {
    "title": (
        "title name producttitle productname itemname item product description "
        "标题 商品标题 商品名称 产品名称 名称 品名 商品名"
    ),
    "product_id": (
        "productid id sku itemid itemnumber articlenumber upc ean gtin "
        "商品编号 商品id 产品id 商品编码 编码 编号 货号 条码"
    ),
    "brand": "brand brandname manufacturer maker 品牌 品牌名称 厂商 制造商",
    "department": "department division section 部门 一级类目 一级分类 大类",
    "category": (
        "category categorypath productcategory categories path 类目 品类 分类 商品类目 商品分类 二级类目 二级分类 中类"
    ),
    "type": "type subcategory producttype subclass 子类 子类目 三级类目 三级分类 小类",
    "price": ("price listprice regularprice retailprice unitprice rrp msrp 价格 售价 单价 零售价 标价 原价 定价"),
    "unit_cost": "unitcost cost costprice purchaseprice costperunit 成本 单位成本 成本价 进价 采购价",
    "currency": "currency currencycode 币种 货币",
    "private_label": "privatelabel ownbrand storebrand 自有品牌",
    "size": "size packagesize packsize pack 规格 包装规格 包装 净含量",
    "language": "language lang 语言",
    "case_units": "caseunits unitspercase casesize casepack 箱规 每箱数量",
}
_FIELD_OF = {name: field for field, names in HEADERS.items() for name in names.split()}
BATCH = 1024  # rows made at a time
# How a column is read, where it is no text; what a cell is called that was not understood, and why it may be.
_READERS = {
    "price": "decimals",
    "unit_cost": "decimals",
    "product_id": "identifiers",
    "private_label": "yes_no",
    "case_units": "identifiers",
}
_ERROR = "is an error of a spreadsheet; mend its formula, or empty the cell where there is nothing to say"
_COUNT = "is no number of units; write it like 12"
_WRONG = {
    "title": ("product.title", _ERROR),
    "brand": ("product.brand", _ERROR),
    **dict.fromkeys(("department", "category", "type"), ("product.category_path", _ERROR)),
    "size": ("product.package_size", _ERROR),
    "language": ("product.language", _ERROR),
    "currency": ("product.list_price.currency_code", _ERROR),
    "price": ("product.list_price", "is no amount of money; write it like 3.99"),
    "unit_cost": ("product.unit_cost", "is no amount of money; write it like 3.99"),
    "product_id": (
        "product.product_id",
        "has lost its digits, or is a spreadsheet's error; write the id as a text",
    ),
    "private_label": ("product.brand_class", "is neither yes nor no"),
    "case_units": ("product.case_units", _COUNT),
}


@dataclasses.dataclass(frozen=True)
class Amount:
    """An amount of money: as it is written, its digits, and the currencies that its mark can stand for."""

    written: str
    digits: str
    currencies: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ProductRow:
    """A row of the file.

    Attributes:
        row: its position from 1.
        cells: what is given, by field.
        amounts: the amounts of money, by field.
        wrong: the cells that were not understood, as they are written, by field.
    """

    row: int
    cells: dict[str, str]
    amounts: dict[str, Amount]
    wrong: dict[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProductFile:
    """The rows of a file.

    Attributes:
        rows: its rows.
        understood: which header was read as which field.
        unused: headers that were not used.
        notes: what a person should know of how the file was read.
        left_out: lines of the file that are no rows, one text each.
    """

    rows: "Rows"
    understood: dict[str, str]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class RowError(Exception):
    """A row that cannot be sent: the field and what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def read_products(path: Path, encoding: str | None = None, decimal: str | None = None) -> ProductFile:
    """The products of a file ("-" is standard input). Raises UsageError where it is no table with a title column.

    encoding, decimal: of the file, and the sign before the decimals of its amounts, "." or ","; None: found from it.
    """
    files = _files()
    if decimal is not None and str(path) != "-" and (path.suffix == ".jsonl" or not files.is_text(path)):
        raise UsageError(f"--decimal {decimal}: is for text files; numbers of {path} are numbers already")
    try:
        raw = _json_lines(path, files, encoding) if path.suffix == ".jsonl" else _table(path, files, encoding)
    except files.FileError as error:
        raise UsageError(f"--file {error}") from None
    header = raw.table.column_names
    fields = [None if files.unit_of(name).percent else _FIELD_OF.get(_normal(name)) for name in header]
    if "title" not in fields:
        known = ", ".join(HEADERS["title"].split())
        raise UsageError(
            f"--file {path} has no title column: its headers are {', '.join(header)}; a title is one of {known}"
        )
    twice = next((field for field in fields if field is not None and fields.count(field) > 1), None)
    if twice is not None:
        both = " and ".join(name for name, field in zip(header, fields, strict=True) if field == twice)
        raise UsageError(f"--file {path}: {both} are both read as {twice}; rename or drop one")
    understood = {name: field for name, field in zip(header, fields, strict=True) if field is not None}
    read = {field: _column(files, field, raw.table[name], decimal) for name, field in understood.items()}
    if decimal is not None and not any(_READERS.get(field) == "decimals" for field in understood.values()):
        raise UsageError(f"--decimal {decimal}: {path} has no column of amounts")
    written = {field: raw.table[name] for name, field in understood.items()}
    return ProductFile(
        rows=Rows(
            read, written, {field: files.unit_of(name) for name, field in understood.items()}, files.currencies_of
        ),
        understood=understood,
        unused=tuple(name for name, field in zip(header, fields, strict=True) if field is None),
        notes=tuple(_notes(raw, {name: read[field] for name, field in understood.items()})),
        left_out=tuple(f"line {line.line}: {line.why}: {line.text[:80]}" for line in raw.rejected),
    )


def read_raw(path: Path) -> "RawFile":
    """The rows of a file of any kind as texts. Raises UsageError where it is no table."""
    files = _files()
    try:
        return _json_lines(path, files, None) if path.suffix == ".jsonl" else _table(path, files, None)
    except files.FileError as error:
        raise UsageError(str(error)) from None


def _column(files: Any, field: str, values: Any, decimal: str | None) -> "Reading":
    reader = _READERS.get(field, "texts")
    read: Reading = files.decimals(values, decimal) if reader == "decimals" else getattr(files, reader)(values)
    return read


def _files() -> Any:
    try:
        return importlib.import_module("onshelf.files")
    except ImportError:
        raise UsageError("reading a file needs more packages: pip install 'onshelf[files]'") from None


def _table(path: Path, files: Any, encoding: str | None) -> "RawFile":
    raw: RawFile
    if str(path) != "-":
        raw = files.read_file(path, encoding=encoding)
        return raw
    with tempfile.TemporaryDirectory(prefix="onshelf-") as folder:
        copy = Path(folder) / "standard-input.csv"
        copy.write_bytes(sys.stdin.buffer.read())
        raw = files.read_file(copy, encoding=encoding)
    return raw


def _json_lines(path: Path, files: Any, encoding: str | None) -> "RawFile":
    """A table of all names, in the order of their first use, with the values as texts."""
    text, notes, losses = files.read_plain(path, encoding=encoding)
    objects = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found = json.loads(line, parse_float=str, parse_int=str)  # an amount stays as it is written
            except ValueError as error:
                raise UsageError(f"--file {path}: line {number} is no JSON: {error}") from None
            if not isinstance(found, dict):
                raise UsageError(f"--file {path}: line {number} is no JSON object")
            objects.append({name: _cell(value, path, number) for name, value in found.items()})
    names = list(dict.fromkeys(name for one in objects for name in one))
    columns = {name: [one.get(name) or None for one in objects] for name in names}
    raw: RawFile = files.RawFile.of_texts(path, columns, notes, losses)
    return raw


def _cell(value: object, path: Path, line: int) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " > ".join(value)  # a category path
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, str):
        raise UsageError(f"--file {path}: line {line} has {value!r}; a value is a text, a number or a list of texts")
    return value


def _normal(header: str) -> str:
    bare = re.sub(r"[(\[（【].*?[)\]）】]", "", unicodedata.normalize("NFKC", header))
    return "".join(c for c in bare.casefold() if c.isalnum())


class Rows:
    """The rows, made of the columns when they are asked for: a file of a million products stays small in memory."""

    def __init__(
        self,
        read: "Mapping[str, Reading]",
        written: Mapping[str, Any],
        units: "Mapping[str, Unit]",
        currencies_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._read, self._written, self._units, self._currencies_of = read, written, units, currencies_of

    def __len__(self) -> int:
        return len(self._written["title"])

    def __iter__(self) -> Iterator[ProductRow]:
        for start in range(0, len(self), BATCH):
            yield from self._between(start, start + BATCH)

    def __getitem__(self, index: int) -> ProductRow:
        (row,) = self._between(index, index + 1)
        return row

    def _between(self, start: int, stop: int) -> Iterator[ProductRow]:
        columns = []
        for name, one in self._read.items():
            parts = (self._written[name], one.values, one.wrong, one.percent, one.marks)
            listed = (itertools.repeat(None) if part is None else part[start:stop].to_pylist() for part in parts)
            columns.append(zip(*listed, strict=False))
        return map(self._row, itertools.count(start + 1), zip(*columns, strict=True))

    def _row(self, number: int, cells: Sequence[tuple[Any, ...]]) -> ProductRow:
        row = ProductRow(number, {}, {}, {})
        for field, (text, value, wrong, percent, mark) in zip(self._read, cells, strict=True):
            if wrong or (percent and value is not None):
                row.wrong[field] = str(text).strip()
            elif value is None:
                continue
            elif _READERS.get(field) == "decimals":
                row.amounts[field] = self._amount(field, str(text).strip(), value, mark)
            else:
                row.cells[field] = value if isinstance(value, str) else ("yes" if value else "")
        return row

    def _amount(self, field: str, written: str, digits: str, mark: str | None) -> Amount:
        """An amount in the unit that its header states: "Price (cents)"; a currency in the cell counts for more."""
        unit = self._units[field]
        if unit.factor != 1.0:
            digits = format((Decimal(digits) * Decimal(str(unit.factor))).normalize(), "f")
        mark = mark or unit.mark
        return Amount(written, digits, self._currencies_of(mark) if mark else ())


def _notes(raw: "RawFile", read: "Mapping[str, Reading]") -> Iterator[str]:
    """What a person should know of how the file was read."""
    for note in raw.notes:
        if note not in ("encoding UTF-8", "Parquet") and not note.startswith("delimiter"):
            yield clean(note)
    for loss in raw.losses:
        yield clean(f"{loss.rows:,} {loss.what}")
        yield from (f"  {clean(sample)}" for sample in loss.samples)
    for name, one in read.items():
        if one.remark:
            yield clean(f"{name}: {one.remark}")


def to_product(row: ProductRow, currency: str) -> Product:
    """The product of a row. currency: of amounts without one. Raises RowError, naming the field."""
    cells = row.cells
    for field, text in row.wrong.items():
        raise RowError(_WRONG[field][0], f"{text!r} {_WRONG[field][1]}")
    if not cells.get("title"):
        raise RowError("product.title", "is empty; write the title as a shop would show it")
    named = cells.get("currency") or currency
    path = [name for field in ("department", "category", "type") for name in category_path(cells.get(field, ""))]
    return Product(
        title=cells["title"],
        product_id=cells.get("product_id") or None,
        brand=cells.get("brand") or None,
        category_path=tuple(path),
        list_price=_money(row, "price", named),
        unit_cost=_money(row, "unit_cost", named),
        brand_class=BrandClass.PRIVATE_LABEL if cells.get("private_label") else None,
        package_size=cells.get("size") or None,
        language=cells.get("language") or None,
        case_units=_count(row, "case_units"),
    )


def _count(row: ProductRow, name: str) -> int | None:
    text = row.cells.get(name, "")
    if text and not (text.isascii() and text.isdecimal()):
        raise RowError(_WRONG[name][0], f"{text!r} {_WRONG[name][1]}")
    return int(text) if text else None


def _money(row: ProductRow, name: str, currency: str) -> Money | None:
    amount = row.amounts.get(name)
    if amount is None:
        return None
    field = _WRONG[name][0]
    if amount.currencies and currency not in amount.currencies:
        raise RowError(
            field,
            f"{amount.written!r} is in {' or '.join(amount.currencies[:2])}, but amounts are in {currency}; amounts "
            "are never converted",
        )
    try:
        return Money(Decimal(amount.digits), currency)
    except ValueError as error:
        raise RowError(field, str(error)) from None
