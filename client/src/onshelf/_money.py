"""Exact money with its currency."""

import dataclasses
from decimal import Decimal, InvalidOperation

_NANO = Decimal("0.000000001")
_LARGEST = Decimal(2**63 - 1)


@dataclasses.dataclass(frozen=True, init=False, order=False)
class Money:
    """An exact amount in a currency: `Money("3.99", "USD")`.

    amount: a decimal of at most 9 places, kept as people write it (3.50, 12); given as Decimal, str or int. A float is
    refused, because 3.99 is none.
    currency: ISO 4217 code ("USD"). The service refuses another currency than its model release's.

    Raises ValueError for an amount that is not finite or has more than 9 decimal places, TypeError for a float.
    """

    amount: Decimal
    currency: str

    def __init__(self, amount: Decimal | str | int, currency: str) -> None:
        if isinstance(amount, float):
            raise TypeError(f"money amount {amount!r} is a float; write it as text or Decimal: Money('{amount}', ...)")
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            raise ValueError(f"money amount {amount!r} is not a number; write it like '3.99'") from None
        if not exact.is_finite() or abs(exact) > _LARGEST:
            raise ValueError(f"money amount {amount!r} is not a finite number below 2^63")
        if exact != exact.quantize(_NANO):
            raise ValueError(f"money amount {amount!r} has more than 9 decimal places")
        object.__setattr__(self, "amount", _as_written(exact))
        object.__setattr__(self, "currency", currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def _as_written(exact: Decimal) -> Decimal:
    """Without needless zeros, but with two decimals where there are any: equal amounts have one form."""
    if exact == exact.to_integral_value():
        return exact.quantize(Decimal(1))
    whole, _, decimals = f"{exact:f}".partition(".")
    return Decimal(f"{whole}.{decimals.rstrip('0').ljust(2, '0')}")
