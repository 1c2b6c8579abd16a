"""The title template: a person can read it, and it holds no ids."""

import re
from pathlib import Path

import pandas as pd
import pytest

from onshelf_exporter.data.titles import abbreviations, readable, readable_size, stem


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("TORTILLA/NACHO CHIPS", "Tortilla and nacho chips"),
        ("SALD DRSNG/SNDWCH SPRD", "Salad dressing and sandwich spreads"),
        ("FRZN BREADED PREPARED CHICK", "Frozen breaded prepared chicken"),
        ("CANDY BAGS-CHOCOCLATE", "Chocolate candy, bag"),
        ("SOUPS/STEWS&CHILI", "Soups, stews and chili"),
        ("PREP FD: ENTREES (COLD)", "Prepared food, entrees, cold"),
        ("FEM. HYGN. TAMPONS", "Feminine hygiene tampons"),
        ("BREAD:ITALIAN/FRENCH", "Italian and French bread"),
    ],
)
def test_names(source: str, shown: str) -> None:
    assert readable(source) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("12 PK/12 OZ", "12 pack of 12 oz"),
        (".5 L", "0.5 l"),
        ("10/6.75 OZ", "10 x 6.75 oz"),
        ("1 1/2 OZ", "1 1/2 oz"),
        ("3/4 OZ", "3/4 oz"),
        ("525832 5 PK", "5 pack"),
        ("22 CT344218", "22 count"),
        ("P     8 OZ", "8 oz"),
    ],
)
def test_sizes(source: str, shown: str) -> None:
    assert readable_size(source) == shown


def test_the_category_is_left_out_where_the_type_says_it() -> None:
    assert stem("Grocery > Cheese > String cheese") == "String cheese"
    assert stem("Grocery > Bag snacks > Tortilla and nacho chips") == "Tortilla and nacho chips, bag snacks"
    assert stem("Packaged meat > Bacon > Premium") == "Bacon, premium"
    assert stem("Grocery") == "Grocery"


def test_all_titles_of_the_default_data(complete_journey: Path) -> None:
    products = pd.read_parquet(complete_journey / "features" / "products.parquet")
    titles = products.title
    assert 19_000 < titles.nunique() < 20_770
    assert not titles.str.contains(r"\d{5}").any(), "a title holds no ids"
    assert not titles.str.contains(r"\b(?:undefined|None|nan)\b|,,| ,").any()
    assert titles.str.fullmatch(r"[A-Z0-9].*").all(), "sentence case"
    assert (titles.str.endswith("(private label)") == (products.private_label == 1)).all()
    words = set(re.findall(r"[a-z']+", " ".join(titles.unique()).lower()))
    assert not words & {"frzn", "sald", "drsng", "gds", "sft", "drnk", "btl", "jce", "flvrd", "chococlate", "wtr"}


def test_the_table_has_no_idle_or_double_rows() -> None:
    table = abbreviations()
    assert len(table) > 900
    assert all(source == source.upper() and shown.strip() == shown and shown for source, shown in table.items())
