"""Other outcomes of a launch from what the models serve: revenue and buyers as whole numbers of their median."""

import numpy as np

from onshelf_exporter.baselines.forecast import Forecast
from onshelf_exporter.evaluation.dataset import LaunchRows


def of_ours(rows: LaunchRows, forecasts: dict[str, Forecast]) -> dict[str, Forecast]:
    """The served forecasts with revenue, and with medians of buyers.

    Revenue is units times the price after the discount; its median the median units times that price (on validation
    WAPE .72, with the mean units .79). The median of the buyers is the median of the units times the served share of
    buyers in units, as a whole number (.753; unrounded .771, the mean .829).
    """
    units = forecasts["units_8w"]
    paid = rows.numbers("price") * (1.0 - rows.numbers("discount"))
    result = {**forecasts, "revenue_8w": Forecast(units.mean * paid, units.median * paid)}
    for weeks in (4, 8):
        sold, buyers = forecasts[f"units_{weeks}w"], forecasts[f"buyers_{weeks}w"]
        share = np.divide(buyers.mean, sold.mean, out=np.zeros_like(sold.mean), where=sold.mean > 0)
        result[f"buyers_{weeks}w"] = Forecast(buyers.mean, np.round(sold.median * share))
    return result
