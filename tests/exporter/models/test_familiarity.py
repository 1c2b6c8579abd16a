"""How strange titles read, on invented shops: what a language's letters and words say."""

import math

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from onshelf_exporter.training.familiarity import (
    ALPHABET,
    NOTICE,
    REFUSE,
    TYPICAL,
    familiarity_table,
    learned_familiarity,
)
from onshelf_release.familiarity import END, START, read_familiarity, words_of
from onshelf_research.studies.languages import OWN, UNSEEN, _groups

ENGLISH = [
    *("salted", "peanut", "butter", "cups", "chocolate", "milk", "bread", "white", "organic", "apples", "green"),
    *("tea", "bags", "honey", "cream", "cheese"),
]
GERMAN = [
    *("gesalzene", "erdnussbutter", "schokolade", "vollmilch", "weissbrot", "apfel", "gruener", "tee", "beutel"),
    *("honig", "frischkaese"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    pieces = ["[UNK]", *ENGLISH, *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    result = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    result.normalizer = normalizers.BertNormalizer(lowercase=True)
    result.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return result


def titles(words: list[str], count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(words, 4, replace=False)).capitalize() for _ in range(count)]


def strangeness(tokenizer: Tokenizer, learned: list[str], asked: list[str]) -> list[float]:
    known = learned_familiarity(tokenizer, learned)
    return [known.strangeness(tokenizer, title) for title in asked]


def test_a_shop_is_judged_by_its_own_language(tokenizer):
    english, german = titles(ENGLISH, 60), titles(GERMAN, 60)
    asked = ["Erdnussbutter mit Honig", "Vollmilch Schokolade"]
    own = strangeness(tokenizer, german, asked)
    assert min(strangeness(tokenizer, english, asked)) > max(own) + 3
    assert max(own) < 3
    assert max(strangeness(tokenizer, english, titles(ENGLISH, 40, seed=1))) < 0


def test_scripts_and_mash_are_stranger_than_new_words_of_the_language(tokenizer):
    asked = ["Salted cream tea", "sdfg hjkl qwrt", "Тёмный шоколад"]
    new, mash, russian = strangeness(tokenizer, titles(ENGLISH, 60), asked)
    assert new < 1 < mash < russian


def test_chances_of_letters_add_up_to_one(tokenizer):
    known = learned_familiarity(tokenizer, titles(ENGLISH, 60))
    for before in ("", START, "e", "ea", "but"):
        seen = [run for run in known.letters if run[:-1] == before and len(run) == len(before) + 1]
        shorter = sum(2.0 ** -known._letter(run[1:]) for run in seen) if before else len(seen) / ALPHABET
        unseen = 2.0 ** -known.unseen[before] * ((1.0 - shorter) if before else ALPHABET - len(seen))
        assert sum(2.0 ** -known.letters[run] for run in seen) + unseen == pytest.approx(1.0)
    assert any(run.endswith(END) for run in known.letters)


def test_one_odd_name_weighs_less_in_a_long_title(tokenizer):
    asked = ["Xylqorb", "Xylqorb salted peanut butter cups milk chocolate"]
    alone, among = strangeness(tokenizer, titles(ENGLISH, 60), asked)
    assert among < alone - 2


def test_words_are_read_as_the_tokenizer_normalises_them(tokenizer):
    assert words_of(tokenizer, "Crème brûlée, 12oz & CAFÉ") == ["creme", "brulee", "oz", "cafe"]
    assert strangeness(tokenizer, titles(ENGLISH, 20), ["12 & 3"]) == [0.0]


def test_limits_are_the_measured_ones_or_wider_where_a_shop_s_own_titles_read_harder(tokenizer):
    def limits(own: list[str], language: str = "en") -> tuple[float, float, float]:
        said = familiarity_table(tokenizer, own, language).schema.metadata
        return float(said[b"typical"]), float(said[b"notice"]), float(said[b"refuse"])

    assert limits(titles(ENGLISH, 90)) == (TYPICAL, NOTICE, REFUSE)
    generator = np.random.default_rng(1)
    codes = ["".join(generator.choice(list("qxzjvwk"), 9)) for _ in range(90)]
    typical, notice, refuse = limits(codes)
    assert (typical > TYPICAL, notice >= NOTICE) == (True, True)
    assert refuse == pytest.approx(notice * REFUSE / NOTICE)
    assert limits(titles(ENGLISH, 90), "mul") == (TYPICAL, NOTICE, math.inf)
    assert limits([]) == (TYPICAL, NOTICE, REFUSE)


def test_the_table_says_what_was_learned(tokenizer):
    known = learned_familiarity(tokenizer, titles(ENGLISH, 60))
    assert read_familiarity(known.table()) == known


def test_the_words_of_sentencepiece_start_with_its_mark():
    pieces = [("<unk>", 0.0), ("▁milk", -1.0), ("ilk", -2.0), ("▁", -3.0), ("牛奶", -4.0), ("▁Thé", -5.0)]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    assert {"milk", "牛奶", "thé"} == set(learned_familiarity(unigram, []).words)


def test_the_study_has_several_dozen_titles_of_each_language_and_of_misread_ones():
    groups = _groups()
    assert {name: len(own) for name, own in groups.items() if len(own) < 36 and name not in UNSEEN} == {}
    assert len(groups[OWN]) > 300
    assert all(len(set(own)) == len(own) for own in groups.values())
    assert not set(groups["misread encoding"]) & {
        title for name in groups if name != "misread encoding" for title in groups[name]
    }
