"""docs/feedback.md documents every column of the store's tables that others read, and no other."""

import re
from pathlib import Path

import pytest

from onshelf_gateway.store import answers, event_table, events, product_days, products

DOCUMENT = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text(encoding="utf-8")
MODULES = (answers, event_table, events, product_days)
TABLES = {name: table for module in MODULES for name, table in module.metadata.tables.items()}
TABLES[products.PRODUCTS.name] = products.PRODUCTS


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_documented(name: str) -> None:
    section = DOCUMENT.split(f"### `{name}`\n", 1)[1].split("\n### ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = [column for row in rows for column in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(TABLES[name].columns.keys())
