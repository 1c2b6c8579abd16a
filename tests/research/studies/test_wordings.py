import numpy as np
import pandas as pd
import pytest

from onshelf_exporter.training import texts
from onshelf_exporter.training.vocabulary import build_vocabulary
from onshelf_research.studies.wordings import families, known_titles, labelled_titles, other_words

PRODUCTS = pd.DataFrame(
    [
        ("Potato chips, bag snacks, 8.5 oz", "BAG SNACKS", "POTATO CHIPS", "8.5 OZ", 0.0),
        ("Ice cream, premium, 48 oz (private label)", "ICE CREAM", "PREMIUM", "48 OZ", 1.0),
        ("Frozen chicken dinners, frozen meals, 2 count", "FROZEN MEALS", "FRZN CHICKEN DINNERS", "2 CT", 0.0),
    ],
    columns=["title", "category", "type", "package_size", "private_label"],
)


def test_each_family_words_every_product_in_its_own_way() -> None:
    drawn = families(PRODUCTS, seed=1)
    assert all(len(wording) == len(PRODUCTS) for wording in drawn.values())
    assert drawn["casing"][0] == "POTATO CHIPS, BAG SNACKS, 8.5 OZ"
    assert drawn["dropped"][0] == "Potato chips, bag snacks"
    assert drawn["paraphrase"][0] == "bag snacks, 8.5 oz potato crisps"
    assert drawn["abbreviations"][2] == "frz chkn dnr frz meals 2ct"
    assert drawn["source"][2] == "FRZN CHICKEN DINNERS 2CT"
    assert "premium ice cream" in drawn["shop"][1]  # a kind that says nothing alone has its category
    for title, slip in zip(PRODUCTS["title"], drawn["typing"], strict=True):
        assert sorted(slip) == sorted(title)


def test_measuring_uses_no_word_that_training_adds() -> None:
    from onshelf_research.studies import wordings

    added = {word.lower() for words in (texts.PRAISE, texts.FLAVOURS) for word in words.split()}
    measured = {word.lower() for words in (wordings.MAKERS, wordings.PRAISE) for name in words for word in name.split()}
    assert not added & measured


@pytest.mark.parametrize("file", ["shop_titles.csv", "chinese_titles.csv"])
def test_labelled_titles_are_distinct_and_found_by_category_and_type(file: str) -> None:
    rows = labelled_titles(file)
    assert len({row.title for row in rows}) == len(rows) > 40
    first = rows[0]
    frame = pd.DataFrame(
        [("D", "OTHER", first.type, "1"), ("D", first.category, first.type, "1")],
        columns=["department", "category", "type", "brand"],
    )
    vocabulary = build_vocabulary(frame)
    titles, ids = known_titles(file, vocabulary)
    assert titles
    parents = np.array(vocabulary.names["category"])[vocabulary.parents["type"][ids]]
    assert set(parents) == {first.category}


def test_other_words_are_known_for_both_families() -> None:
    assert len(other_words("paraphrase")) > 10
    assert len(other_words("abbreviations")) > 10
    assert not other_words("shop")
