"""First stock by the newsvendor rule (Arrow, Harris and Marschak 1951): demand's quantile at the critical fractile."""

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.forecasts import Forecasts
from onshelf_gateway.questions import StockQuestion


def advised_units(
    forecasts: Forecasts, question: StockQuestion, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Units [n] to stock: demand's quantile at the fractile, rounded up to whole units, then to the order multiple."""
    demand = np.ceil(forecasts.units_at(question.fractile, question.covers_weeks, rows) - 1e-9)
    return np.ceil(demand / question.order_multiple) * question.order_multiple


def advice(forecasts: Forecasts, question: StockQuestion, row: int) -> types_pb2.StockAdvice:
    """The advice for one candidate."""
    return types_pb2.StockAdvice(
        units=int(advised_units(forecasts, question, np.array([row]))[0]),
        critical_fractile=question.fractile,
        critical_fractile_assumed=question.assumed,
        covers_weeks=question.covers_weeks,
    )
