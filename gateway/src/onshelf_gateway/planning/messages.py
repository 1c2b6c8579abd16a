"""From arrays to the contract's messages."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import types_pb2
from onshelf_gateway.inference.outputs import Retrieved
from onshelf_gateway.planning.candidates import Candidates
from onshelf_gateway.planning.economics import Economics
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_release.candidates import HORIZONS

Floats = NDArray[np.float64]
T = types_pb2


@dataclass(frozen=True)
class Actions:
    """Candidates as actions; what many of them share is made once."""

    release: ModelRelease
    candidates: Candidates
    _uses: dict[int, list[T.ChannelUse]] = field(default_factory=dict)
    _money: dict[tuple[int, float], tuple[Any, Any]] = field(default_factory=dict)

    def of(self, row: int) -> T.Action:
        """One candidate as an action."""
        candidates = self.candidates
        chosen, price = int(candidates.channel_set[row]), int(candidates.price[row])
        discount = round(float(candidates.discount[row]), 6)
        if chosen not in self._uses:
            self._uses[chosen] = _uses(self.release, candidates.sets[chosen])
        if (price, discount) not in self._money:
            amount, currency = candidates.prices[price], self.release.manifest.currency
            sale = amount * (1 - Decimal(repr(discount)))
            self._money[price, discount] = (money.to_money(amount, currency), money.to_money(sale, currency))
        list_price, sale_price = self._money[price, discount]
        return T.Action(
            launch_date=candidates.days[candidates.day[row]].isoformat(),
            channels=self._uses[chosen],
            discount=discount,
            coupon=bool(candidates.coupon[row]),
            list_price=list_price,
            sale_price=sale_price,
        )


def _uses(release: ModelRelease, coverage: Floats) -> list[T.ChannelUse]:
    return [
        T.ChannelUse(channel_id=channel.channel_id, coverage=round(float(coverage[channel.slot]), 6))
        for channel in release.plannable
        if coverage[channel.slot] > 0
    ]


def forecasts(release: ModelRelease, economics: Economics, row: int) -> list[T.OutcomeForecast]:
    """What a candidate will do at 4 and 8 weeks."""
    result = []
    for weeks in HORIZONS:
        source = economics.forecasts
        mean, quantiles = float(source.mean(weeks)[row]), source.quantiles(weeks, row)
        paid = float(economics.paid(weeks)[row])
        forecast = T.OutcomeForecast(
            horizon_weeks=weeks,
            units=T.CountForecast(
                mean=mean,
                quantiles=[
                    T.Quantile(level=level, value=value)
                    for level, value in zip(source.levels.tolist(), quantiles.tolist(), strict=True)
                ],
                dispersion=float(source.dispersion(weeks)[row]),
            ),
            revenue=_money(release, mean, source.levels, quantiles, paid),
            buyers=float(source.buyers(weeks)[row]) if release.has_users else 0.0,
            repeat_rate=float(source.raw.repeat_rate[row]) if release.has_users and weeks == HORIZONS[-1] else 0.0,
        )
        if economics.unit_cost is not None:
            forecast.gross_profit.CopyFrom(_money(release, mean, source.levels, quantiles, paid - economics.unit_cost))
        result.append(forecast)
    return result


def _money(release: ModelRelease, mean: float, levels: Floats, quantiles: Floats, per_unit: float) -> T.MoneyForecast:
    ends = [float(np.interp(level, levels, quantiles)) * per_unit for level in (0.1, 0.5, 0.9)]
    if per_unit < 0:  # the more is sold, the more is lost
        ends.reverse()
    currency = release.manifest.currency
    return T.MoneyForecast(
        mean=money.to_money(mean * per_unit, currency),
        p10=money.to_money(ends[0], currency),
        p50=money.to_money(ends[1], currency),
        p90=money.to_money(ends[2], currency),
    )


def past_launches(release: ModelRelease, found: Retrieved, count: int) -> list[T.PastLaunch]:
    """The most similar past launches."""
    currency = release.manifest.currency
    result = []
    for place, similarity in zip(found.indices[:count].tolist(), found.scores[:count].tolist(), strict=True):
        row = release.launch_row(place)
        price, discount = float(row["price"] or 0.0), float(row["discount"] or 0.0)
        ids = (row["department_id"], row["category_id"], row["type_id"])
        launch = T.PastLaunch(
            product_id=row["product_id"],
            title=row["title"],
            category_path=release.vocabulary.path(ids),
            action=T.Action(
                launch_date=str(row["launch_date"]),
                channels=_uses(release, np.asarray(row["coverage"], dtype=np.float64)),
                discount=discount,
                coupon=bool(row["coupon"]),
            ),
            units_4w=float(row["units_4w"] or 0.0),
            units_8w=float(row["units_8w"] or 0.0),
            buyers_8w=float(row["buyers_8w"] or 0.0),
            similarity=similarity,
            promotion_first=bool(row["is_promotion_first"]),
        )
        if price > 0:
            launch.action.list_price.CopyFrom(money.to_money(price, currency))
            launch.action.sale_price.CopyFrom(money.to_money(price * (1 - discount), currency))
        result.append(launch)
    return result
