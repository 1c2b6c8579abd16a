"""Reads the file of past launches that the exporter writes beside its replay model release."""

import dataclasses
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from onshelf import _inputs, _results
from onshelf._cli._usage import UsageError
from onshelf._enums import BrandClass
from onshelf._money import Money


@dataclasses.dataclass(frozen=True, kw_only=True)
class PastCase:
    """A launch as it was: the product, what was done, and the units it sold in 8 weeks. price is without currency."""

    product: _inputs.Product
    launch_date: date
    channels: tuple[_inputs.ChannelUse, ...]
    discount: float
    coupon: bool
    price: Decimal | None
    promotion_first: bool
    units_8w: int

    def product_at(self, price: Money | None) -> _inputs.Product:
        """The product with its price."""
        return dataclasses.replace(self.product, list_price=price)

    def action_at(self, price: Money | None) -> _inputs.Action:
        """What was done, with its price."""
        return _inputs.Action(
            launch_date=self.launch_date,
            channels=self.channels,
            discount=self.discount,
            coupon=self.coupon,
            list_price=price,
        )


@dataclasses.dataclass(frozen=True)
class ReplayFile:
    """Past launches, the model release that knows nothing of them, and how they were chosen."""

    model_release: int
    as_of: date
    rule: str
    launches: tuple[PastCase, ...]


@dataclasses.dataclass(frozen=True)
class Replayed:
    """A past launch with its forecast over 8 weeks, and the plan that would have been made for it."""

    case: PastCase
    forecast: _results.OutcomeForecast
    planned: _results.LaunchPlan | None


def read_replay(path: Path) -> ReplayFile:
    """The past launches of a file. Raises UsageError where it is missing or of another form."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--launches {path}: {error.strerror}; `make publish` writes it") from None
    except ValueError as error:
        raise UsageError(f"--launches {path} is no JSON: {error}") from None
    try:
        return ReplayFile(
            model_release=int(content["model_release"]),
            as_of=date.fromisoformat(content["as_of"]),
            rule=str(content.get("rule", "")),
            launches=tuple(_case(entry) for entry in content["launches"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        told = f"{type(error).__name__} {error}"
        raise UsageError(f"--launches {path} is no file of past launches ({told}); `make publish` writes one") from None


def _case(entry: dict[str, Any]) -> PastCase:
    product, action = entry["product"], entry["action"]
    classes = {True: BrandClass.PRIVATE_LABEL, False: BrandClass.NATIONAL}
    return PastCase(
        product=_inputs.Product(
            title=product["title"],
            product_id=product.get("product_id"),
            brand=product.get("brand"),
            category_path=tuple(product.get("category_path", ())),
            brand_class=classes.get(product.get("private_label")),
        ),
        launch_date=date.fromisoformat(action["launch_date"]),
        channels=tuple(_inputs.ChannelUse(name, float(share)) for name, share in action["channels"].items()),
        discount=float(action["discount"] or 0.0),
        coupon=bool(action["coupon"]),
        price=None if action.get("price") is None else Decimal(str(action["price"])),
        promotion_first=bool(action.get("is_promotion_first", True)),
        units_8w=int(entry["outcome"]["units_8w"]),
    )
