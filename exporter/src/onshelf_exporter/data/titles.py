"""Titles for products that have none: a template over type, category, brand class and size.

    <type>[, <category>][, <size>][ (private label)]        Tortilla and nacho chips, bag snacks, 21 oz (private label)

The category is left out where the type already says it. Names and sizes of the source are made readable first: whole
names and single words by the table `abbreviations.csv` of this package, then "A/B" and "A&B" become "A and B", a part
after a colon or a dash follows a comma, and a remark in parentheses that the source cut off is dropped.
"""

import csv
import re
from functools import cache
from importlib import resources

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from onshelf_exporter.data import engine

LEVEL = " > "  # between the levels of a category path

SIZE_UNITS = {
    "OZ": "oz", "LB": "lb", "LBS": "lb", "CT": "count", "PK": "pack", "ML": "ml", "L": "l", "LT": "l", "LTR": "l",
    "IN": "in", "GAL": "gal", "GA": "gal", "QT": "qt", "PT": "pt", "FT": "ft", "CTN": "carton", "EA": "each",
    "DZ": "dozen", "G": "g", "GM": "g", "KG": "kg", "SQ": "sq", "RL": "rolls", "ROLL": "rolls", "BTL": "bottle",
    "CN": "cans", "BAG": "bag", "FL": "fl", "BNCH": "bunch", "SHT": "sheets", "YD": "yd", "CM": "cm", "PC": "pieces",
    "BX": "box", "CAN": "can", "SIZE": "size", "SZ": "size", "PLST": "plastic", "AERO": "aerosol", "LOAD": "loads",
    "SFT": "soft", "PKG": "package", "PKGS": "packages", "DOZ": "dozen", "DZN": "dozen", "ASST": "assorted",
    "PKS": "packs", "GALON": "gal", "LRG": "large", "SML": "small", "BTLS": "bottles",
}  # fmt: skip

# Types that say nothing by themselves; roots as of `_roots`.
QUALIFIERS = frozenset(
    [
        "economy",
        "econom",
        "premium",
        "premi",
        "value",
        "valu",
        "seasonal",
        "natural",
        "organic",
        "cooked",
        "raw",
        "fresh",
        "frozen",
        "lean",
        "external",
        "internal",
        "better",
        "for",
        "you",
        "flavored",
        "decor",
        "misc",
        "all",
        "outdoor",
        "indoor",
        "regular",
        "standard",
        "basic",
        "promo",
        "promotional",
        "promotion",
        "mainstream",
        "select",
        "specialt",
        "super",
        "enhanced",
        "dry",
        "marinated",
        "seasoned",
        "smoked",
        "novelt",
        "noveltie",
        "novelti",
        "accessor",
        "processed",
        "refrigerated",
        "refill",
        "other",
        "assorted",
        "large",
        "small",
        "medium",
        "mini",
        "jumbo",
        "single",
        "multi",
        "pack",
        "multipack",
        "budget",
        "hot",
        "cold",
        "bulk",
        "prepacked",
        "sold",
        "weight",
        "not",
        "only",
    ]
)


@cache
def abbreviations() -> dict[str, str]:
    """Whole names and single words of the source (upper case) to what a person reads."""
    text = (resources.files("onshelf_exporter.data") / "abbreviations.csv").read_text(encoding="utf-8")
    return {row["source"]: row["readable"] for row in csv.DictReader(text.splitlines())}


def readable(name: str) -> str:
    """A department, category or type name of the source as a person reads it, in sentence case."""
    table = abbreviations()
    if name in table and (not name.isalpha() or table[name][:1].isupper()):
        return table[name]
    text = re.sub(r"\((?:BULK ?& ?BAG|BULK/PKG)\)|\([^)]*$|\bMISC(?:ELLANEOUS)?\.?(?=\s\w)", " ", name.upper())
    text = re.sub(r"\bW/O\b\s*", " without ", text)
    text = re.sub(r"\bW/\s*", " with ", text)
    text = re.sub(r"\bNON[ -](?=[A-Z])", "non-", text)
    text = re.sub(r"(?<=[A-Z])\.(?=\s|[A-Z]|$)", " ", text)
    text = re.sub(r"\b(\d+(?:\.\d+)?) ?(IN|LBS?|ML|LT|MM|PK|PC)\b", lambda m: f"{m[1]} {_unit(m[2])}", text)
    text = re.sub(r"\s*[:;]\s*|\s+-\s*|\s*-\s+|,\s*", ", ", text)
    text = re.sub(r"(?<=\w)-(?=(?:MAGAZINE|FOOD)\b)", " ", text)
    text = re.sub(r"(?<=[A-Z]{3})(?<!PRE)(?<!SELF)(?<!SEMI)(?<!MULTI)(?<!NON)-(?=[A-Z]{3})", ", ", text)
    words = [table.get(word, word if word.islower() else word.lower()) for word in re.findall(r"[\w']+|[^\w']+", text)]
    text = "".join(words).replace("non- ", "non-")
    text = re.sub(r"[^,]*[/&][^,]*", _list, text)
    text = re.sub(r"\s*\(\s*", " (", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(?:\s*,)+", ",", text).strip(" ,.")
    text = re.sub(r"(\w) \((?:cold|hot)\)", lambda m: f"{m[1]}, {m[0].rsplit('(')[1][:-1]}", text)
    return text[:1].upper() + text[1:]


def _list(match: re.Match[str]) -> str:
    """ "a/b&c" -> "a, b and c"."""
    parts = [part.strip() for part in re.split(r"[/&]", match[0]) if part.strip()]
    lead = " " if match[0].startswith(" ") else ""
    return lead + (", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts))


def _unit(unit: str) -> str:
    return SIZE_UNITS.get(unit, unit).lower()


def readable_size(size: str) -> str:
    """A package size of the source as it stands on a shelf: "12 PK/12 OZ" -> "12 pack of 12 oz"."""
    text = re.sub(r"\d{5,}|^[A-Z] +(?=[\d.])", " ", size.strip().upper())  # numbers and codes of the supplier
    text = re.sub(r"(?<!\d)\.(?=\d)", "0.", text)
    text = re.sub(r"(?<=\d)(?=[A-Z])|(?<=[A-Z])(?=\d)", " ", text)
    text = re.sub(r"(PK|CT)\s*/\s*(?=[\d.])", r"\1 of ", text)
    text = re.sub(r"(?<![\d./ ])\s*\b(\d+)\s*/\s*([\d.]+) (?=(?:OZ|ML|LB|L|CT|LT)\b)", _packs, text)
    words = [SIZE_UNITS.get(word, word.lower()) for word in re.findall(r"[A-Z]+|[^A-Z]+", text)]
    return re.sub(r"\s+", " ", "".join(words)).strip()


def _packs(match: re.Match[str]) -> str:
    """ "10/6.75 OZ" is ten packs; "3/4 OZ" is a fraction."""
    count, each = match[1], match[2]
    fraction = each in ("2", "3", "4", "8", "16") and int(count) < int(each)
    return match[0] if fraction else f" {count} x {each} "


def readable_path(path: str) -> str:
    """A category path, level by level."""
    return LEVEL.join(readable(level) for level in path.split(LEVEL))


def stem(path: str) -> str:
    """What a title says before the size: the type, and the category where the type does not already say it."""
    levels = [level for level in path.split(LEVEL) if level]
    if len(levels) < 3:
        return levels[-1] if levels else ""
    category, kind = levels[1], levels[2]
    if _roots(category) <= _roots(kind):
        return kind
    if is_vague(kind):
        category, kind = kind, category  # "Bacon, premium", not "Premium, bacon"
    return f"{kind}, {_lowered(category)}"


def is_vague(kind: str) -> bool:
    """Whether a type's name says nothing without its category: "Premium", "All other"."""
    return _roots(kind) <= QUALIFIERS


def _lowered(text: str) -> str:
    """The text with a small first letter, unless its first word is a name."""
    first = re.match(r"[\w'-]*", text)
    return text if first and first[0] in _names() else text[:1].lower() + text[1:]


@cache
def _names() -> frozenset[str]:
    """Words that always keep their capital: brands, places, festivals, initials."""
    return frozenset(value for key, value in abbreviations().items() if key.isalpha() and value[:1].isupper())


def _roots(text: str) -> frozenset[str]:
    """Words without endings, for telling whether one name says what another says."""
    words = re.findall(r"[a-z]{3,}", text.lower())
    return frozenset(
        re.sub(r"(?:ies|es|s|y)$", "", word) for word in words if word not in ("and", "with", "other", "assorted")
    )


def with_titles(con: Backend, products: ir.Table) -> ir.Table:
    """Add `title` and `category_path_readable` to a table with category_path, package_size and private_label."""
    paths = [str(path) for path in _distinct(con, products, "category_path")]
    names = [readable_path(path) for path in paths]
    columns = {"category_path": paths, "category_path_readable": names, "stem": [stem(name) for name in names]}
    named = products.join(engine.small_table(columns, schema=dict.fromkeys(columns, "string")), "category_path")
    sizes = [str(size) for size in _distinct(con, products.filter(products.package_size.notnull()), "package_size")]
    shown = {"package_size": sizes, "size": [readable_size(size) for size in sizes]}
    named = named.left_join(engine.small_table(shown, schema=dict.fromkeys(shown, "string")), "package_size")
    size = ibis.ifelse(named["size"].isnull() | (named["size"] == ""), "", ibis.literal(", ") + named["size"])
    label = ibis.ifelse(named.private_label, " (private label)", "")
    return named.mutate(title=named.stem + size + label).drop("stem", "size", "package_size_right")


def _distinct(con: Backend, table: ir.Table, column: str) -> list[object]:
    return sorted(con.to_pyarrow(table.select(column).distinct())[column].to_pylist())
