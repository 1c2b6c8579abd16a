"""The same launches read in different ways: columns per launch and origin, and the pooled scores over all origins."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_research.studies.features import bag_components, bag_of_words, components, read, said, trained_text
from onshelf_research.studies.head import Demand, forecast
from onshelf_research.studies.inputs import ORIGINS, Floats, Origin, Setting, origin

TEXTS = 6000  # distinct titles that each encoder is trained on here, and two epochs: the same for all of them
EPOCHS = 2


@dataclass(frozen=True)
class Readings:
    """Launches by origin, and the columns that each way of reading gives for them.

    Attributes:
        origins: launches as numbers, one per origin.
        place: per origin int64 [n], row of each launch's title in `bag`.
        bag: TF-IDF [titles, terms].
        columns: by name of the reading, per origin float64 [n, width]: what the title says of the units, and its
            components; [n, 0] for "none".
    """

    origins: list[Origin]
    place: list[NDArray[np.int64]]
    bag: sparse.csr_matrix
    columns: dict[str, list[Floats]]


def text_columns(launches: Origin, rows: Floats | sparse.csr_matrix) -> Floats:
    """Columns of a reading for the launches of one origin, from its rows [n, hidden] or sparse [n, terms]."""
    reduced = components(rows, launches.learn) if isinstance(rows, np.ndarray) else bag_components(rows, launches.learn)
    return np.concatenate([said(rows, launches.units, launches.learn), reduced], axis=1)


def study_recipe(setting: Setting) -> EncoderRecipe:
    """The recipe's fine-tuning on a sample of the titles, with fewer epochs: alike for all encoders compared."""
    encoder = setting.recipe.encoder
    texts = min(TEXTS, encoder.texts) if encoder.texts else TEXTS
    epochs = min(EPOCHS, encoder.loop.epochs)
    return replace(encoder, texts=texts, loop=replace(encoder.loop, epochs=epochs))


def readings(setting: Setting, kinds: tuple[str, ...]) -> Readings:
    """Read all launches of the origins; encoders know nothing after the first origin."""
    outcomes = setting.history(ORIGINS[-1][1] + 7)
    first = setting.history(ORIGINS[0][0])
    titles = np.unique(outcomes.text_of[outcomes.launches.frame["product_index"]])
    at = np.full(len(outcomes.texts), -1, dtype=np.int64)
    at[titles] = np.arange(len(titles))
    words = [outcomes.texts[number] for number in titles]
    recipe = study_recipe(setting)
    pooled = {kind: read(trained_text(setting, first, kind, recipe), words, recipe) for kind in kinds}
    rolled = [origin(outcomes, first if week == first.cut else setting.history(week), until) for week, until in ORIGINS]
    place = [at[outcomes.text_of[one.launches["product_index"].to_numpy()]] for one in rolled]
    learned = np.unique(first.text_of[first.known])
    bag = bag_of_words(words, [first.texts[number] for number in learned])
    columns = {"none": [np.zeros((len(rows), 0)) for rows in place]}
    for name, values in {"TF-IDF": bag, **pooled}.items():
        columns[name] = [text_columns(one, values[rows]) for one, rows in zip(rolled, place, strict=True)]
    return Readings(rolled, place, bag, columns)


def rolling(given: Readings, reading: str, blocks: tuple[str, ...], seed: int) -> tuple[Demand, Floats]:
    """Forecasts for the launches after each origin and what they sold, all origins one after another."""
    forecasts, actual = [], []
    for number, launches in enumerate(given.origins):
        columns = np.concatenate(
            [*(launches.blocks[block] for block in blocks), given.columns[reading][number]], axis=1
        )
        learn = launches.learn
        forecasts.append(forecast(columns[learn], launches.units[learn], columns[~learn], seed))
        actual.append(launches.units[~learn])
    mean = np.concatenate([one.mean for one in forecasts])
    median = np.concatenate([one.median for one in forecasts])
    return Demand(mean, median), np.concatenate(actual)
