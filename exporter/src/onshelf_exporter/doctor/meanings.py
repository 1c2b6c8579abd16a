"""What each header of a file means, before its values are read: `--map` first, then the names of `headers`."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files import texts
from onshelf_exporter.data import headers, schema
from onshelf_exporter.doctor.settings import ReadingSettings
from onshelf_exporter.process.errors import SettingError

PATH_LEVELS = ("category_1", "category_2", "category_3")
SALE_MEANINGS = (
    "currency",
    "price_paid",
    "discount_share",
    "status",
    "week_start",
    "week_end",
    "promotion",
    "list_price",
)
NUMBERED = r"^#\S*\d"  # as Shopify calls an order
REPEATABLE = ("promotion",)  # several headers may mean it


@dataclass(frozen=True)
class Meaning:
    """What a header means.

    Attributes:
        header: as in the file.
        columns: columns of the schema or keys of `headers.MEANINGS`; () for none.
        remark: why it has no column.
        stated: by `--map`.
    """

    header: str
    columns: tuple[str, ...]
    remark: str = ""
    stated: bool = False

    @property
    def role(self) -> tuple[str, ...]:
        """What makes headers of two files the same."""
        if self.columns and not set(self.columns) & set(REPEATABLE):
            return self.columns
        return (*self.columns, headers.normal(self.header))


def tables_of(file: str, table: pa.Table, has_products: bool, settings: ReadingSettings) -> tuple[str, ...]:
    """The canonical tables that a file holds: as `--table` says, else by its name, else by its headers."""
    meant: set[str] = set()
    for header in table.column_names:
        key = settings.map_of(file, header)
        meant |= set(settings.maps[key] if key else headers.columns_of(header)[:2])
    when, what = meant & {"time", "week_start", "week_end"}, meant & {"product_id", "title"}
    sold = meant & {"user_id", "order_id", "quantity", "revenue", "kind"}
    name = settings.table_of(file)
    if name == "":
        return ()
    if name is None:
        name = headers.table_of(_stem(file))
        if name is None:
            if when and what and sold:
                name = "interactions"
            elif "title" in meant:
                name = "products"
            elif {"channel_id", "product_id"} <= meant:
                name = "promotions"
        if name == "products" and when and {"user_id", "order_id"} & meant:
            name = "interactions"
    if name is None:
        return ()
    if name == "interactions" and "title" in meant and not has_products:
        return ("products", "interactions")
    return (name,)


def _stem(file: str) -> str:
    """The name of a file or of a sheet, without folder and ending."""
    return re.split("[/\\\\]", file)[-1].partition(".")[0]


def meanings(file: str, table: pa.Table, tables: tuple[str, ...], settings: ReadingSettings) -> list[Meaning]:
    """What each header of a file means for the tables that the file holds."""
    if not tables:
        return [_unplaced(header) for header in table.column_names]
    order = [column.name for name in reversed(tables) for column in schema.columns(name)]
    allowed = set(order) | (set(PATH_LEVELS) if "products" in tables else set())
    allowed |= set(SALE_MEANINGS) if "interactions" in tables else set()
    allowed |= {"promotion"} if "promotions" in tables else set()
    allowed |= {"currency"} if "products" in tables else set()
    stated: dict[str, tuple[str, ...]] = {}
    for header in table.column_names:
        key = settings.map_of(file, header)
        if key is not None and set(settings.maps[key]) <= allowed:
            settings.used.add(("--map", key))
            stated[header] = settings.maps[key]
            _refuse_second(file, header, key, stated)
    taken = {column: header for header, columns in stated.items() for column in columns}
    prices = [
        header
        for header in table.column_names
        if header not in stated and "list_price" in headers.columns_of(header) and "list_price" in allowed
    ]
    regular = next((header for header in prices if headers.is_regular_price(header)), "")
    result = []
    for header in table.column_names:
        if header in stated:
            remark = "" if stated[header] else "left out by --map"
            result.append(Meaning(header, stated[header], remark, stated=True))
            continue
        fitting = [column for column in headers.columns_of(header) if column in allowed]
        if header in prices and header != regular and (regular or taken.get("list_price")):
            fitting = ["price_paid"] if "interactions" in tables else fitting
        fitting = _by_values(header, fitting, table)
        if headers.is_generic(header):
            fitting = [one for one in fitting if not _said_better(one, table, stated)] or fitting
            yields = _said_better(fitting[0], table, stated) if fitting else ""
        else:
            yields = ""
        column = next((one for one in fitting if one not in taken or one in REPEATABLE), "") if not yields else ""
        if column:
            taken[column] = header
            result.append(Meaning(header, (column,)))
        else:
            result.append(_left(header, fitting, taken | ({fitting[0]: yields} if yields else {}), tables))
    return result


def _refuse_second(file: str, header: str, key: str, stated: dict[str, tuple[str, ...]]) -> None:
    """Raises SettingError where two headers of a file are said to mean one column, of which one alone can be used."""
    for other, columns in stated.items():
        both = [column for column in columns if column in stated[header] and column not in REPEATABLE]
        if other != header and both:
            rule = f"{other!r} of {file} is mapped to {both[0]} already; leave one out with --map HEADER="
            raise SettingError("--map", f"{key}={','.join(stated[header])}", rule)


def _said_better(column: str, table: pa.Table, stated: Collection[str]) -> str:
    """A header that means the column and is not generic, among those that are not stated; "" for none."""
    return next(
        (
            header
            for header in table.column_names
            if header not in stated and headers.columns_of(header)[:1] == (column,) and not headers.is_generic(header)
        ),
        "",
    )


def _by_values(header: str, fitting: list[str], table: pa.Table) -> list[str]:
    """The same without kinds and states that no value speaks for, where a header may mean something else."""
    if (
        headers.normal(header) == "name"
        and pc.all(pc.match_substring_regex(texts(table[header]).values, NUMBERED)).as_py()
    ):
        return ["order_id"]
    doubtful = [column for column in fitting if column in ("kind", "status")]
    if not doubtful or not (len(fitting) > 1 or headers.normal(header) in ("state", "status")):
        return fitting
    values = pc.unique(texts(table[header]).values).to_pylist()
    if any(headers.status_of(value) is not None for value in values if value):
        return [*doubtful, *(column for column in fitting if column not in doubtful)]
    return [column for column in fitting if column not in doubtful]


def _left(header: str, fitting: list[str], taken: dict[str, str], tables: tuple[str, ...]) -> Meaning:
    if fitting:
        return Meaning(header, (), f"{fitting[0]} is {taken[fitting[0]]!r} already")
    why = headers.why_not_needed(header)
    if why:
        return Meaning(header, (), why)
    elsewhere = headers.columns_of(header)
    if elsewhere:
        return Meaning(header, (), f"means {elsewhere[0]}, which {' and '.join(tables)} do not need")
    return Meaning(header, (), _guess(header))


def _unplaced(header: str) -> Meaning:
    meant = headers.columns_of(header)
    return Meaning(header, (), f"may be {' or '.join(meant)}" if meant else _guess(header))


def _guess(header: str) -> str:
    near = headers.guess_of(header)
    return "not understood" + (f"; like {near[0]}: --map {header}={near[1]}?" if near else "")
