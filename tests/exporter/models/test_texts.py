import re
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch

from onshelf_exporter.training.content import agreement_loss
from onshelf_exporter.training.history import History
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.texts import Tokens, load_tokenizer, model_folder, tokenise, wordings
from onshelf_exporter.training.vocabulary import build_vocabulary, shrunk

TEXTS = [["green tea, loose leaf, 4 oz", "ice"], ["tea", "frozen ice, 22 lb"]]


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return tokenise(load_tokenizer(EncoderRecipe()), TEXTS)


def test_a_batch_is_the_text_as_the_tokenizer_reads_it(tokens: Tokens) -> None:
    ids, mask = tokens.batch(np.array([0, 1]), np.array([0, 1]))
    tokenizer = load_tokenizer(EncoderRecipe())
    for row, text in enumerate((TEXTS[0][0], TEXTS[1][1])):
        assert ids[row][mask[row] == 1].tolist() == tokenizer.encode(text).ids


def test_augmented_texts_keep_their_ends_and_add_no_words(tokens: Tokens) -> None:
    count = 500
    first = np.zeros(count, dtype=np.int64)
    ids, mask = tokens.batch(first, first, np.random.default_rng(1))
    original = tokens.ids[0, 0, : tokens.lengths[0, 0]].tolist()
    lengths = mask.sum(1)
    assert set(ids[:, 0]) == {original[0]}
    assert set(ids[np.arange(count), lengths - 1]) == {original[-1]}
    assert set(ids[mask == 1].tolist()) == set(original)
    assert 3 < lengths.min() < lengths.max() == len(original)
    assert len({tuple(row) for row in ids.tolist()}) > 20


def test_the_pretrained_encoder_is_a_folder_here() -> None:
    assert (model_folder(EncoderRecipe()) / "model.safetensors").is_file()


def shop(rows: list[tuple[str, str, str, str, float]]) -> History:
    """What `wordings` reads of a history: products as (title, category, type, size, private label)."""
    frame = pd.DataFrame(rows, columns=["title", "category", "type", "package_size", "private_label"])
    codes, texts = pd.factorize(frame["title"], sort=True)
    kept = SimpleNamespace(products=frame.assign(department="FOOD"), texts=list(texts), text_of=codes)
    return cast(History, kept)


MANY = shop([(f"Green tea, teas, {n} oz (private label)", "TEAS", "GREEN TEA", f"{n} OZ", 1.0) for n in range(400)])


def test_the_first_wording_is_the_title_and_a_seed_settles_the_others() -> None:
    drawn = wordings(MANY, 3, seed=1)
    assert drawn[0] == list(MANY.texts)
    assert drawn == wordings(MANY, 3, seed=1)
    assert drawn[1] != drawn[2]
    assert drawn[1] != wordings(MANY, 3, seed=2)[1]


def test_wordings_lose_fields_and_gain_words_but_keep_the_kind() -> None:
    drawn = wordings(MANY, 2, seed=1)[1]
    assert len(set(drawn)) > 300
    said = [re.sub("[^a-z ]", "", text.lower()) for text in drawn]
    assert np.mean(["green tea" in text for text in said]) > 0.7  # the rest are shortened or have a slip
    assert 0.1 < np.mean([not re.search(r"\d", text) for text in drawn]) < 0.6
    words = {word for text in said for word in text.split()}
    assert {"new", "box", "own", "brand"} <= words
    makers = [text.split()[0] for text in drawn if text[0].isupper() and text.split()[0] not in ("Green", "GREEN")]
    assert len(set(makers)) > 50


def test_a_vague_kind_is_named_with_its_category() -> None:
    vague = shop([(f"Ice cream, premium, {n} oz", "ICE CREAM", "PREMIUM", f"{n} OZ", 0.0) for n in range(200)])
    for text in wordings(vague, 2, seed=1)[1]:
        assert re.search("ice|crm|cream|crea|PREMIUM|prem|prm", text, re.IGNORECASE)
        assert not re.fullmatch("premium( [0-9]+oz)?", text)


def test_titles_without_categories_keep_their_own_words() -> None:
    bare = shop([(f"乌龙茶 {n}", "", "", "", 0.0) for n in range(100)])
    drawn = wordings(bare, 3, seed=1)
    for number, text in enumerate(bare.texts):
        assert all(text.split()[0] in wording[number] for wording in drawn)


def test_agreement_is_best_for_pairs_that_agree_and_worst_for_swapped_ones() -> None:
    torch.manual_seed(0)
    first = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    near = torch.nn.functional.normalize(first + 0.1 * torch.randn(8, 16), dim=1)
    losses = [agreement_loss(first, other).item() for other in (first, near, near.roll(1, 0))]
    assert losses == sorted(losses)
    collapsed = first[:1].expand(8, 16)
    assert agreement_loss(collapsed, collapsed).item() > losses[1]


def products() -> pd.DataFrame:
    rows = [
        ("FOOD", "TEA", "GREEN", "1"),
        ("FOOD", "TEA", "BLACK", "1"),
        ("FOOD", "MISC", "", "2"),
        ("HOME", "MISC", "", ""),
        ("HOME", "", "", "1"),
    ]
    return pd.DataFrame(rows, columns=["department", "category", "type", "brand"])


def test_ids_follow_the_path_and_unknown_is_zero() -> None:
    vocabulary = build_vocabulary(products())
    assert vocabulary.sizes == (3, 4, 3, 2)
    ids = vocabulary.ids(products())
    assert ids.tolist() == [[1, 2, 2, 1], [1, 2, 1, 1], [1, 1, 0, 0], [2, 3, 0, 0], [2, 0, 0, 1]]
    other = pd.DataFrame([("HOME", "TEA", "GREEN", "9"), ("TOYS", "TEA", "GREEN", None)], columns=products().columns)
    assert vocabulary.ids(other).tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]
    assert vocabulary.table().column("n_products").to_pylist() == [3, 2, 1, 2, 1, 1, 1, 3]


def test_means_are_shrunk_to_the_level_above() -> None:
    vocabulary = build_vocabulary(products())
    ids = vocabulary.ids(products())
    values = np.array([[10.0], [0.0], [0.0], [0.0], [0.0]])
    departments, categories, types = shrunk(values, np.ones(5), ids, vocabulary, strength=1.0)
    assert departments[0, 0] == pytest.approx(2.0)
    assert departments[1, 0] == pytest.approx((10 + 2.0) / 4)
    assert categories[2, 0] == pytest.approx((10 + departments[1, 0]) / 3)
    assert types[2, 0] == pytest.approx((10 + categories[2, 0]) / 2)
    assert 0 < types[1, 0] < categories[2, 0]
