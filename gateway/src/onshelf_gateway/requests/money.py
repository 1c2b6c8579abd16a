"""Money at the edge: google.type.Money to Decimal and back, whole minor units, no floating point in between."""

from decimal import ROUND_HALF_EVEN, Decimal

from google.type import money_pb2  # type: ignore[import-untyped]

NANO = Decimal(1).scaleb(-9)
_MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def minor_unit(currency: str) -> Decimal:
    """The smallest coin of a currency (ISO 4217): 0.01 for most."""
    return Decimal(1).scaleb(-_MINOR_DIGITS.get(currency, 2))


def to_decimal(money: money_pb2.Money) -> Decimal:
    """The exact amount.

    Raises:
        ValueError: nanos beyond 999,999,999 or of another sign than units.
    """
    if abs(money.nanos) > 999_999_999 or (money.units and money.nanos and (money.units > 0) != (money.nanos > 0)):
        raise ValueError(
            f"units {money.units} with nanos {money.nanos} is no amount: nanos within 999999999, of the sign of units"
        )
    return Decimal(money.units) + Decimal(money.nanos) * NANO


def to_money(amount: Decimal | float, currency: str) -> money_pb2.Money:
    """An amount as Money, rounded half to even to the currency's minor unit."""
    digits = _MINOR_DIGITS.get(currency, 2)
    if not isinstance(amount, Decimal):
        scaled = float(amount) * 10**digits
        coins = round(scaled)
        if abs(scaled) < 1e12 and abs(abs(scaled - coins) - 0.5) > 1e-3:  # a tie is settled by the decimal digits
            return _money(coins, digits, currency)
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
    coins = int(exact.scaleb(digits).to_integral_value(rounding=ROUND_HALF_EVEN))
    return _money(coins, digits, currency)


def _money(coins: int, digits: int, currency: str) -> money_pb2.Money:
    whole, rest = divmod(abs(coins), 10**digits)
    sign = -1 if coins < 0 else 1
    return money_pb2.Money(currency_code=currency, units=sign * whole, nanos=sign * rest * 10 ** (9 - digits))


def text(amount: Decimal | float, currency: str) -> str:
    """An amount for people: "3.49 USD"."""
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
    return f"{exact.quantize(minor_unit(currency), rounding=ROUND_HALF_EVEN):,} {currency}"


def price_like(amount: Decimal, example: Decimal, currency: str) -> Decimal:
    """Round a price to the ending of `example`: ...9 where that ends in 9, multiples of 5 where it ends in 0 or 5."""
    unit = minor_unit(currency)
    ending = int(example / unit) % 10 if example % unit == 0 else None
    if ending == 9 and amount >= 10 * unit:
        tens = ((amount + unit) / (10 * unit)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return tens * 10 * unit - unit
    step = 5 * unit if ending in (0, 5) and amount >= 20 * unit else unit
    return (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * step
