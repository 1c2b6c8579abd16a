"""Category paths as people write them: which sign separates levels is decided from the whole column."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files import Reading
from onshelf_exporter.data.titles import LEVEL

# Signs between levels; the one that most values hold is that of the column, the first of several.
SEPARATORS = (r">+|[»＞›→]", r"\|+", r"::", r"[/／]", r"(?<=\w)\.(?=\w)")


def paths(found: Reading) -> Reading:
    """A column of category paths with levels joined by LEVEL, without empty levels."""
    counted = {one["values"]: one["counts"] for one in pc.value_counts(found.values.drop_null()).to_pylist()}
    written = {value: _plain(value) for value in counted}
    separator = _separator({text: counted[value] for value, text in written.items()})
    joined = _several(written.values(), separator) if separator else set()
    levels: dict[str, list[str]] = {}
    cut = 0
    for value, text in written.items():
        first = _parts(text)[0] if text in joined else text
        cut += counted[value] if text in joined else 0
        levels[value] = [level.strip() for level in (re.split(separator, first) if separator else [first])]
    named = [LEVEL.join(level for level in those if level) or None for those in levels.values()]
    place = pc.index_in(found.values, pa.array(list(levels), found.values.type))
    values = pa.chunked_array([pa.array(named, pa.string()).take(chunk) for chunk in place.chunks], pa.string())
    remark = found.remark
    if cut:
        remark = f"{cut:,} values name several paths: the first counts"
    emptied = pc.and_(pc.is_valid(found.values), pc.is_null(values))
    wrong = emptied if found.wrong is None else pc.or_(emptied, found.wrong)
    read = len(values) - values.null_count
    return Reading(**{**found.__dict__, "values": values, "remark": remark, "read": read, "wrong": wrong})


def _plain(value: str) -> str:
    """A path without marks of HTML, and a list in JSON as its first entry's text or its levels."""
    text = html.unescape(value).strip()
    if text.startswith("["):
        try:
            parts = [str(part) for part in json.loads(text.replace("'", '"'))]
        except ValueError:
            return text
        return parts[0] if len(parts) == 1 else " > ".join(parts)
    return text


def _separator(rows: dict[str, int]) -> str:
    held = Counter(dict.fromkeys(SEPARATORS, 0))
    for text, count in rows.items():
        for sign in SEPARATORS:
            held[sign] += count if re.search(sign, text) else 0
    sign = max(SEPARATORS, key=lambda one: (held[one], -SEPARATORS.index(one)))
    return sign if held[sign] else ""


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\s*[,;]\s*", text) if part.strip()]


def _several(texts: Iterable[str], separator: str) -> set[str]:
    """The values that are several paths joined by commas: every part is a path, or a first level known elsewhere."""
    values = list(texts)
    whole = [part for text in values for part in _parts(text) if re.search(separator, part)]
    whole += [text for text in values if len(_parts(text)) == 1]
    roots = {re.split(separator, part)[0].strip() for part in whole}
    found = set()
    for text in values:
        parts = _parts(text)
        if len(parts) > 1 and all(re.search(separator, part) or part in roots for part in parts):
            found.add(text)
    return found
