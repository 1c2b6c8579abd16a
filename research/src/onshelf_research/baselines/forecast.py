"""What every demand model hands over, whether baseline or served."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecasts of units over one horizon, one entry per launch.

    A model with one number per launch gives it as `mean` and as `median`; every column of a table is then measured on
    it.

    Attributes:
        mean: expected units, float64 [n].
        median: float64 [n].
        quantiles: level to float64 [n]; empty where the model has none.
        below: P(Y < y) at the observed y, float64 [n]; None where the model has no distribution.
        upto: P(Y <= y) at the observed y; None where the model has no distribution.
    """

    mean: Floats
    median: Floats
    quantiles: dict[float, Floats] = field(default_factory=dict)
    below: Floats | None = None
    upto: Floats | None = None


def single(forecast: Floats) -> Forecast:
    """A model with one number per launch."""
    return Forecast(mean=forecast, median=forecast)
