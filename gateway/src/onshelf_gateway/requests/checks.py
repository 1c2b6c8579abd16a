"""Checks of single values: each violation names the field's path, its value and the rule; all come back together."""

import datetime as dt
import math
import re
import unicodedata
import zoneinfo
from collections.abc import Iterable, Sized
from decimal import Decimal

from google.protobuf.message import Message
from google.type import money_pb2  # type: ignore[import-untyped]

from onshelf_gateway.call.errors import GatewayError, Violation
from onshelf_gateway.requests import money
from onshelf_release.personal_ids import is_personal

MAX_AMOUNT = Decimal(1_000_000)
MAX_COST = Decimal(1_000_000_000)
MAX_WINDOW_DAYS = 370
MAX_YEARS_AHEAD = 10
MAX_ZONE = 64  # characters; the longest IANA name has 32
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}|x(-[A-Za-z0-9]{1,8})+")


def shown(value: object) -> str:
    """A value for a message: never longer than 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Checker:
    """Collects violations; `done` raises them as one error whose reason is the first one's."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def fail(self, reason: str, field: str, message: str) -> None:
        """Record a violation."""
        self.violations.append(Violation(reason, field, message))

    def done(self) -> None:
        """Raise what was found.

        Raises:
            GatewayError: there is at least one violation.
        """
        if self.violations:
            first = self.violations[0]
            more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
            raise GatewayError(first.reason, f"{first.field}: {first.message}{more}", self.violations)

    def text(self, field: str, value: str, limit: int, required: bool = False) -> str:
        """A text within its limit, without control characters, not only white space; returned stripped."""
        if not value:
            if required:
                self.fail("FIELD_REQUIRED", field, "is empty and required")
        elif len(value) > limit:
            self.fail("TEXT_TOO_LONG", field, f"has {len(value)} characters; at most {limit}")
        elif not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
            self.fail("TEXT_INVALID", field, f"{shown(value)} holds control characters; send plain text")
        elif not value.strip():
            self.fail("TEXT_INVALID", field, "holds nothing but white space")
        return value.strip()

    def count(self, field: str, values: Sized, limit: int) -> bool:
        """A list within its limit."""
        if len(values) > limit:
            self.fail("TOO_MANY", field, f"has {len(values)} entries; at most {limit}")
            return False
        return True

    def number(self, field: str, value: float, low: float, high: float, above: bool = False) -> float:
        """A finite number within [low, high], or (low, high] where `above`."""
        if not math.isfinite(value) or value > high or value < low or (above and value == low):
            rule = f"above {low:,g} and at most {high:,g}" if above else f"from {low:,g} to {high:,g}"
            self.fail("VALUE_OUT_OF_RANGE", field, f"{value:g} is refused: {rule}")
            return low if not above else high
        return value

    def enum(self, field: str, value: int, names: dict[int, str]) -> int:
        """A value that the enum has."""
        if value not in names:
            self.fail("VALUE_OUT_OF_RANGE", field, f"{value} is none of {', '.join(names.values())}")
            return 0
        return value

    def amount(
        self,
        field: str,
        value: money_pb2.Money,
        currency: str,
        high: Decimal = MAX_AMOUNT,
        above_zero: bool = False,
        price: bool = False,
    ) -> Decimal:
        """Money in the release's currency, within [0, high]; (0, high] where `above_zero`; a coin or more: `price`."""
        if value.currency_code != currency:
            self.fail(
                "CURRENCY_MISMATCH",
                field,
                f"{shown(value.currency_code)} is not the model release's currency {currency}; amounts are never "
                "converted",
            )
            return Decimal(1)
        try:
            exact = money.to_decimal(value)
        except ValueError as error:
            self.fail("PRICE_INVALID", field, str(error))
            return Decimal(1)
        coin = money.minor_unit(currency)
        if price and 0 < exact < coin:
            self.fail("PRICE_INVALID", field, f"{exact.normalize():f} {currency} is less than a coin: at least {coin}")
            return Decimal(1)
        above_zero = above_zero or price
        if exact > high or exact < 0 or (above_zero and exact == 0):
            rule = f"{'above 0' if above_zero else 'from 0'}, at most {high:,}"
            self.fail("PRICE_INVALID", field, f"{exact.normalize():,f} {currency} is refused: {rule}")
            return Decimal(1)
        return exact

    def optional_amount(
        self,
        owner: Message,
        name: str,
        path: str,
        currency: str,
        high: Decimal = MAX_AMOUNT,
        above_zero: bool = False,
        price: bool = False,
    ) -> Decimal | None:
        """The money field `name` of a message where it is set."""
        if not owner.HasField(name):
            return None
        return self.amount(f"{path}.{name}", getattr(owner, name), currency, high, above_zero, price)

    def date(self, field: str, value: str) -> dt.date | None:
        """An ISO 8601 calendar date, YYYY-MM-DD."""
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            try:
                return dt.date.fromisoformat(value)
            except ValueError:
                pass  # a day that does not exist; reported below with the others
        self.fail("DATE_INVALID", field, f"{shown(value)} is not an ISO 8601 date such as 2018-03-05")
        return None

    def within_reach(self, field: str, day: dt.date, today: dt.date, past: bool = False) -> bool:
        """A day that is not before `today` (with `past`: not more than ten years) nor more than ten years after it."""
        if past and day < today - dt.timedelta(days=3653):
            self.fail("WINDOW_OUT_OF_RANGE", field, f"{day} lies more than {MAX_YEARS_AHEAD} years before {today}")
        elif day < today and not past:
            self.fail("WINDOW_OUT_OF_RANGE", field, f"{day} lies before {today}, the day the model release's data end")
        elif day > today + dt.timedelta(days=3653):
            self.fail("WINDOW_OUT_OF_RANGE", field, f"{day} lies more than {MAX_YEARS_AHEAD} years after {today}")
        else:
            return True
        return False

    def span(self, field: str, start: str, end: str) -> tuple[dt.date, dt.date] | None:
        """Both days of a window, in order, at most 370 days apart."""
        first, last = self.date(f"{field}.start_date", start), self.date(f"{field}.end_date", end)
        if first is None or last is None:
            return None
        if last < first:
            self.fail("WINDOW_INVALID", field, f"ends on {last}, before it starts on {first}")
            return None
        if (last - first).days > MAX_WINDOW_DAYS:
            self.fail("WINDOW_INVALID", field, f"is {(last - first).days} days long; at most {MAX_WINDOW_DAYS}")
            return None
        return first, last

    def time_zone(self, field: str, value: str) -> None:
        """An IANA zone, or empty."""
        if not value:
            return
        try:
            if len(value) > MAX_ZONE:  # looked up as a path and as a package, level by level
                raise ValueError(value)
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            self.fail("IDENTIFIER_INVALID", field, f"{shown(value)} is not an IANA time zone such as America/New_York")

    def language(self, field: str, value: str) -> None:
        """A BCP 47 tag, or empty."""
        if value and not _LANGUAGE.fullmatch(value):
            self.fail("IDENTIFIER_INVALID", field, f"{shown(value)} is not a BCP 47 tag such as en or zh-Hans")

    def user_id(self, field: str, value: str, required: bool) -> str:
        """A pseudonym, without blanks around it; no e-mail address, no phone number. Messages never repeat it."""
        if not value:
            if required:
                self.fail("FIELD_REQUIRED", field, "is empty and required")
        elif len(value) > 128:
            self.fail("TEXT_TOO_LONG", field, f"has {len(value)} characters; at most 128")
        elif any(unicodedata.category(char) == "Cc" for char in value) or not value.strip():
            self.fail("TEXT_INVALID", field, "holds control characters or nothing but white space")
        elif is_personal(value):
            self.fail(
                "USER_ID_PERSONAL",
                field,
                "looks like an e-mail address or a phone number; send your own pseudonym instead",
            )
        return value.strip()

    def unique(self, field: str, values: Iterable[str]) -> None:
        """No value twice."""
        seen: set[str] = set()
        for value in values:
            if value in seen:
                self.fail("FIELDS_CONFLICT", field, f"{shown(value)} is named twice")
            seen.add(value)
