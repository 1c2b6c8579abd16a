import numpy as np
import pandas as pd
import pytest

from onshelf_exporter.recipe import EncoderRecipe
from onshelf_exporter.training.texts import Tokens, load_tokenizer, model_folder, tokenise
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
