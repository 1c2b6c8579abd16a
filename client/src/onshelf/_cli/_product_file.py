"""Reads a file of products as shops keep them: any common header names, also Chinese, any usual encoding and
delimiter; or a JSON object a line, with the same names.
"""

import csv
import dataclasses
import io
import json
import re
import sys
import unicodedata
from decimal import Decimal
from pathlib import Path

from onshelf._cli._arguments import category_path
from onshelf._cli._failures import UsageError
from onshelf._enums import BrandClass
from onshelf._inputs import Product
from onshelf._money import Money

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
}
_FIELD_OF = {name: field for field, names in HEADERS.items() for name in names.split()}
_YES = {"1", "y", "yes", "true", "x", "是", "对"}
_NO = {"", "0", "n", "no", "false", "否"}
_SYMBOLS = {"€": {"EUR"}, "£": {"GBP"}, "¥": {"JPY", "CNY"}, "￥": {"JPY", "CNY"}, "₩": {"KRW"}, "₹": {"INR"}}


@dataclasses.dataclass(frozen=True)
class ProductRow:
    """A row of the file: its position from 1, and its cells by field."""

    row: int
    cells: dict[str, str]


@dataclasses.dataclass(frozen=True)
class ProductFile:
    """The rows of a file, which header was read as which field, and which headers were not used."""

    rows: tuple[ProductRow, ...]
    understood: dict[str, str]
    unused: tuple[str, ...]
    encoding: str


class RowError(Exception):
    """A row that cannot be sent: the field and what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def read_products(path: Path) -> ProductFile:
    """The products of a file ("-" is standard input). Raises UsageError where it is no table with a title column."""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"--file {path}: {error.strerror}") from None
    text, encoding = _decode(data, path)
    lines = text.splitlines()
    if not lines:
        raise UsageError(f"--file {path} is empty; it needs a header line and a line for each product")
    if path.suffix == ".jsonl":
        header, *rows = _json_lines(text, path)
    else:
        delimiter = max(",;\t|", key=lines[0].count)
        # The reader gets the text itself, since a quoted cell may hold line breaks.
        header, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    fields = [_FIELD_OF.get(_normal(name)) for name in header]
    if "title" not in fields:
        known = ", ".join(HEADERS["title"].split())
        raise UsageError(
            f"--file {path} has no title column: its headers are {', '.join(header)}; a title is one of {known}"
        )
    twice = next((field for field in fields if field is not None and fields.count(field) > 1), None)
    if twice is not None:
        both = " and ".join(name for name, field in zip(header, fields, strict=True) if field == twice)
        raise UsageError(f"--file {path}: {both} are both read as {twice}; rename or drop one")
    return ProductFile(
        rows=tuple(
            ProductRow(
                n, {field: cell.strip() for field, cell in zip(fields, cells, strict=False) if field is not None}
            )
            for n, cells in enumerate((cells for cells in rows if any(cell.strip() for cell in cells)), start=1)
        ),
        understood={name: field for name, field in zip(header, fields, strict=True) if field is not None},
        unused=tuple(name for name, field in zip(header, fields, strict=True) if field is None and name.strip()),
        encoding=encoding,
    )


def _json_lines(text: str, path: Path) -> list[list[str]]:
    """The header, all names in the order of their first use, and the cells of each line."""
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
    header = list(dict.fromkeys(name for one in objects for name in one))
    return [header, *([one.get(name, "") for name in header] for one in objects)]


def _cell(value: object, path: Path, line: int) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " > ".join(value)  # a category path
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, str):
        raise UsageError(f"--file {path}: line {line} has {value!r}; a value is a text, a number or a list of texts")
    return value


def _decode(data: bytes, path: Path) -> tuple[str, str]:
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise UsageError(f"--file {path} is neither UTF-8 nor GB18030 text; save it as CSV in UTF-8")


def _normal(header: str) -> str:
    bare = re.sub(r"[(\[（【].*?[)\]）】]", "", unicodedata.normalize("NFKC", header))
    return "".join(c for c in bare.casefold() if c.isalnum())


def to_product(row: ProductRow, currency: str) -> Product:
    """The product of a row. currency: of amounts without one. Raises RowError, naming the field."""
    cells = row.cells
    if not cells.get("title"):
        raise RowError("product.title", "is empty; write the title as a shop would show it")
    named = cells.get("currency") or currency
    private = cells.get("private_label", "").casefold()
    if private not in _YES | _NO:
        raise RowError("product.brand_class", f"{private!r} is neither yes nor no")
    path = [name for field in ("department", "category", "type") for name in category_path(cells.get(field, ""))]
    return Product(
        title=cells["title"],
        product_id=cells.get("product_id") or None,
        brand=cells.get("brand") or None,
        category_path=tuple(path),
        list_price=_money(cells.get("price", ""), named, "product.list_price"),
        unit_cost=_money(cells.get("unit_cost", ""), named, "product.unit_cost"),
        brand_class=BrandClass.PRIVATE_LABEL if private in _YES else None,
        package_size=cells.get("size") or None,
        language=cells.get("language") or None,
    )


def _money(text: str, currency: str, field: str) -> Money | None:
    if not text:
        return None
    written = unicodedata.normalize("NFKC", text).replace(" ", "")
    for symbol, currencies in _SYMBOLS.items():
        if symbol in text and currency not in currencies:
            raise RowError(
                field, f"{text!r} is marked {symbol}, but amounts are in {currency}; amounts are never converted"
            )
    number = written.strip("$€£¥₩₹元円" + currency)
    if not re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", number):
        raise RowError(field, f"{text!r} is no amount of money; write it like 3.99")
    try:
        return Money(Decimal(number.replace(",", "")), currency)
    except ValueError as error:
        raise RowError(field, str(error)) from None
