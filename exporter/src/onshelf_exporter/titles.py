"""Titles for products that have none: a template over type, category, brand class and size.

Abbreviations of the source are expanded by the table `abbreviations.csv` of this package.
"""

import csv
import re
from functools import cache
from importlib import resources

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

LEVEL = " > "  # between the levels of a category path


@cache
def abbreviations() -> dict[str, str]:
    """Words and phrases of the source (upper case) to what a person reads."""
    text = (resources.files("onshelf_exporter") / "abbreviations.csv").read_text(encoding="utf-8")
    return {row["source"]: row["readable"] for row in csv.DictReader(text.splitlines())}


def readable(name: str) -> str:
    """A category or type name of the source as a person reads it, in sentence case."""
    table = abbreviations()
    if name in table:
        return table[name]
    words = [table.get(word, word.lower()) for word in re.findall(r"[A-Z0-9']+|[^A-Z0-9']+", name.upper())]
    text = re.sub(r"\s+", " ", "".join(words)).strip()
    return text[:1].upper() + text[1:]


def readable_path(path: str) -> str:
    """A category path, level by level."""
    return LEVEL.join(readable(level) for level in path.split(LEVEL))


def with_titles(con: Backend, products: ir.Table) -> ir.Table:
    """Add `title` and `category_path_readable` to a table with category_path, package_size and private_label."""
    paths = [
        str(path) for path in con.to_pyarrow(products.select("category_path").distinct())["category_path"].to_pylist()
    ]
    names = [readable_path(path) for path in paths]
    stems = [", ".join(dict.fromkeys(reversed(name.split(LEVEL)[-2:]))) for name in names]
    columns = {"category_path": paths, "category_path_readable": names, "stem": stems}
    named = products.join(ibis.memtable(columns, schema=dict.fromkeys(columns, "string")), "category_path")
    size = ibis.ifelse(named.package_size.isnull(), "", ibis.literal(", ") + named.package_size.lower())
    label = ibis.ifelse(named.private_label, " (private label)", "")
    return named.mutate(title=named.stem + size + label).drop("stem")
