"""Times and dates as people and programs write them."""

import datetime
import zoneinfo
from collections.abc import Iterable
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files._engine import connection, query
from onshelf.files._reading import Distinct, Reading, distinct, reading

# Months by the names and short names of several languages, in small letters, without a full stop.
MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "jan january januar janvier janv enero ene gennaio gen januari janeiro января янв",
            "feb february februar février févr fev febrero febbraio februari fevereiro февраля фев",
            "mar march märz mär mrz mars marzo maart mrt março марта мар",
            "apr april avril avr abril abr aprile апреля апр",
            "may mai mayo maggio mag mei maio мая май",
            "jun june juni juin junio giugno giu junho июня июн",
            "jul july juli juillet juil julio luglio lug julho июля июл",
            "aug august août aout agosto ago augustus августа авг",
            "sep sept september septembre septiembre settembre set setembro сентября сен",
            "oct october oktober okt octobre octubre ottobre ott outubro out октября окт",
            "nov november novembre noviembre novembro ноября ноя",
            "dec december dezember dez décembre déc diciembre dic dicembre dezembro декабря дек",
        ),
        start=1,
    )
    for name in names.split()
}
# The latest year of a date, counted from this one; of a year in two digits, which can as well be a day, if later.
_YEARS_AHEAD, _SHORT_YEARS_AHEAD = 10, 1
LAST_MONTH = 12  # a number above it is no month
_NAME, _DAY, _BETWEEN = r"(\p{L}{3,12})\.?", r"(\d{1,2})(?:st|nd|rd|th|\.)?", r"[-/ .]*"
_COMPACT = r"^((?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))[t ]?([01]\d|2[0-3])([0-5]\d)"

# What is written in other words, in this order, after small letters.
_REWRITES = (
    ("[年月]", "-"),
    ("[时時点點分]", ":"),
    ("[日号號秒]", " "),
    ("[‐‑–−]", "-"),
    (r"(:\d{2}),(\d)", r"\1.\2"),
    (",", " "),
    (" +", " "),
    (r"^ | $|[: ]+$", ""),
    (r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.? ", ""),
    (r"\b([ap])\.m\b\.?", r"\1m"),
    (r"(^| )(\d{1,2}) ?([ap]m)$", r"\1\2:00 \3"),
    (r" (?:de|of|del) ", " "),
    (r"^([a-z]{3}) (\d{1,2}) (\d{1,2}:\d{2}(?::\d{2})?) (utc |gmt )?(\d{4})$", r"\1 \2 \5 \3 \4"),
    (_COMPACT + r"([0-5]\d)((?:\.\d+)? ?(?:z|utc|[+-]\d{2}:?\d{2})?)$", r"\1 \2:\3:\4\5"),
    (_COMPACT + "$", r"\1 \2:\3"),
    (" $", ""),
)
_ISO = r"(?:19|20)\d{2}-\d{2}-\d{2}(?:[ T][012]\d:\d{2}:\d{2}(?:\.\d{1,6})?)?"
_CLOCK = (
    r"^(.*?)(?:[ t](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)? ?([ap]m)?"
    r"(?: ?(z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})(?: ?(?:utc|gmt))?)?)?$"
)


# Up to how many digits a number since 1970 has each unit, and the microseconds in SQL.
_UNITS = (
    (11, "seconds", "try_cast(epoch.whole || left(rpad(epoch.fraction, 6, '0'), 6) AS BIGINT)"),
    (14, "milliseconds", "try_cast(epoch.whole || left(rpad(epoch.fraction, 3, '0'), 3) AS BIGINT)"),
    (17, "microseconds", "try_cast(epoch.whole AS BIGINT)"),
    (19, "nanoseconds", "try_cast(left(epoch.whole, -3) AS BIGINT)"),
)


def _rewritten(column: str) -> str:
    for pattern, text in _REWRITES:
        column = f"regexp_replace({column}, '{pattern}', '{text}', 'g')"
    return column


def _date(year: str, month: str, day: str) -> str:
    """SQL: a date of three texts, null where there is no such day; a year of two digits lies in 1970 to 2069."""
    full = f"CASE WHEN length({year}) = 2 THEN (CASE WHEN {year} < '70' THEN '20' ELSE '19' END) ELSE '' END || {year}"
    return f"try_cast(({full}) || '-' || {month} || '-' || {day} AS DATE)"


def _month_number(name: str) -> str:
    """SQL: the number of a month by its name, as a text; null of another word."""
    return f"""MAP {{{", ".join(f"'{word}': '{month}'" for word, month in MONTHS.items())}}}[{name}]"""


def _by_digits(values: Iterable[str]) -> str:
    """SQL: one of the values, by the digits of a number since 1970."""
    cases = " ".join(f"WHEN length(epoch.whole) <= {u[0]} THEN {v}" for u, v in zip(_UNITS, values, strict=True))
    return f"CASE WHEN epoch.whole = '' THEN NULL {cases} END"


_PARSED = rf"""
WITH plain AS (
    SELECT {_rewritten("lower(plain)")} AS text FROM texts
), clocked AS (
    SELECT text, regexp_extract(
        text, '{_CLOCK}', ['day', 'hour', 'minute', 'second', 'fraction', 'half', 'zone']) AS t FROM plain
), dated AS (
    SELECT text, t, trim(t.day) AS day FROM clocked
), parts AS (
    SELECT text, t,
        regexp_extract(day, '^(\d{{4}})[-/. ](\d{{1,2}})[-/. ](\d{{1,2}})$', ['y', 'm', 'd']) AS ymd,
        regexp_extract(day, '^((?:19|20)\d{{2}})(\d{{2}})(\d{{2}})$', ['y', 'm', 'd']) AS compact,
        regexp_extract(day, '^(\d{{1,2}})([-/. ])(\d{{1,2}})[-/. ](\d{{4}}|\d{{2}})$', ['a', 'sep', 'b', 'c']) AS abc,
        regexp_extract(day, '^{_DAY}{_BETWEEN}{_NAME}{_BETWEEN}''?(\d{{4}}|\d{{2}})$', ['d', 'm', 'y']) AS dmy,
        regexp_extract(day, '^{_NAME}{_BETWEEN}{_DAY}{_BETWEEN}''?(\d{{4}})$', ['m', 'd', 'y']) AS mdy,
        regexp_extract(day, '^(\d{{4}}){_BETWEEN}{_NAME}{_BETWEEN}(\d{{1,2}})$', ['y', 'm', 'd']) AS ynd,
        regexp_extract(day, '^(\d{{4}})-?w(\d{{2}})(?:-?([1-7]))?$', ['y', 'w', 'd']) AS week,
        regexp_extract(text, '^(\d{{9,19}})(?:\.(\d+))?$', ['whole', 'fraction']) AS epoch,
        try_cast(nullif(regexp_extract(text, '^([2-7]\d{{4}}(?:\.\d+)?)$', 1), '') AS DECIMAL(18, 9)) AS serial
    FROM dated
), months AS (
    SELECT *, {_month_number("dmy.m || mdy.m || ynd.m")} AS month, try_cast(t.hour AS INT) AS hour,
        try_cast(substr(t.zone, 2, 2) AS INT) AS zone_hours, replace(substr(t.zone, 4), ':', '') AS zone_minutes
    FROM parts
)
SELECT
    CASE WHEN t.hour = '' THEN INTERVAL 0 SECOND
         WHEN hour > (CASE t.half WHEN '' THEN 23 ELSE 12 END) OR t.minute > '59' OR t.second > '59' THEN NULL
         WHEN t.half <> '' AND hour = 0 THEN NULL
         ELSE to_hours(CASE t.half WHEN '' THEN hour WHEN 'am' THEN hour % 12 ELSE hour % 12 + 12 END)
            + to_minutes(try_cast(t.minute AS INT)) + to_seconds(coalesce(try_cast(t.second AS INT), 0))
            + to_microseconds(coalesce(try_cast(left(rpad(t.fraction, 6, '0'), 6) AS BIGINT), 0)) END AS clock,
    t.half <> '' AS half,
    CASE WHEN t.zone = '' THEN NULL WHEN t.zone IN ('z', 'utc', 'gmt') THEN 0
         ELSE (CASE left(t.zone, 1) WHEN '-' THEN -1 ELSE 1 END)
            * (zone_hours * 60 + coalesce(try_cast(zone_minutes AS INT), 0)) END AS shift,
    coalesce(
        {_date("ymd.y", "ymd.m", "ymd.d")},
        {_date("compact.y", "compact.m", "compact.d")},
        {_date("(dmy.y || mdy.y || ynd.y)", "month", "(dmy.d || mdy.d || ynd.d)")},
        CASE WHEN week.w BETWEEN '01' AND '53' THEN date_trunc('week', try_cast(week.y || '-01-04' AS DATE))::DATE
            + (try_cast(week.w AS INT) - 1) * 7 + coalesce(try_cast(week.d AS INT), 1) - 1 END
    ) AS sure,
    {_date("abc.c", "abc.b", "abc.a")} AS day_first,
    CASE WHEN abc.sep <> '.' THEN {_date("abc.c", "abc.a", "abc.b")} END AS month_first,
    CASE WHEN length(abc.a) = 2 AND length(abc.c) = 2 THEN {_date("abc.a", "abc.b", "abc.c")} END AS year_first,
    abc.a <> abc.b AS differs, length(abc.c) = 2 AS short,
    {_by_digits(f"'{name}'" for _, name, _ in _UNITS)} AS unit,
    {_by_digits(sql for _, _, sql in _UNITS)} AS since,
    serial
FROM months
"""
_ORDERS = {"day_first": "day first", "month_first": "month first", "year_first": "year first"}


def times(
    values: pa.ChunkedArray | pa.Array,
    *,
    date_format: str | None = None,
    timezone: str = "UTC",
    kind: Literal["time", "date"] = "time",
) -> Reading:
    """A column of times: `values` are local times without a zone, in microseconds, or dates where `kind` is "date".

    Times with a zone, and seconds, milliseconds, microseconds or nanoseconds since 1970, become local times of
    `timezone`; times without a zone are local. Whether the day or the month comes first is decided by the whole column.
    date_format: the only form to read, in the letters of strptime ("%d.%m.%Y").
    Raises ValueError for a zone or a format that is none.
    """
    _check_zone(timezone)
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        local = _local(column, timezone)
        given = len(column) - column.null_count
        return Reading(values=_as_kind(local, kind), filled=given, read=given)
    found = distinct(column)
    if date_format is not None:
        local, remark, ambiguous = _by_format(found, date_format, timezone), f"by the format {date_format}", False
    else:
        local, remark, ambiguous = _by_sight(found, timezone)
    return reading(found, _as_kind(local, kind), remark=remark, ambiguous=ambiguous)


def _check_zone(timezone: str) -> None:
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{timezone!r} is no time zone; write it like Europe/Berlin") from None


def _as_kind(local: pa.Array | pa.ChunkedArray, kind: str) -> pa.Array | pa.ChunkedArray:
    return local.cast(pa.date32(), safe=False) if kind == "date" else local


def _local(column: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    """Typed times as local ones."""
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    naive = column.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    if zone is None:
        return naive
    table = pa.table({"moment": naive.cast(pa.timestamp("us"))})  # the instant in UTC
    return query(f"SELECT timezone('{timezone}', timezone('UTC', moment)) AS moment FROM instants", instants=table)[
        "moment"
    ]


def _by_format(found: Distinct, date_format: str, timezone: str) -> pa.Array:
    table = pa.table({"plain": found.plain})
    with connection() as engine:
        engine.register("texts", table)
        try:
            parsed = engine.sql(
                "SELECT try_strptime(plain, $1) AS moment FROM texts", params=[date_format]
            ).to_arrow_table()
        except duckdb.Error as error:
            raise ValueError(f"date format {date_format!r}: {str(error).splitlines()[0]}") from None
    return _local(parsed["moment"], timezone).combine_chunks()


def _by_sight(found: Distinct, timezone: str) -> tuple[pa.Array, str, bool]:
    if (plain := _all_iso(found)) is not None:
        return plain, "", False
    parsed = query(_PARSED, texts=pa.table({"plain": found.plain})).combine_chunks()
    order, fits, remarks, ambiguous = _order(parsed, found)
    latest = datetime.date.today().year + _YEARS_AHEAD
    chosen = pc.if_else(fits, parsed[order].combine_chunks(), None)
    local = query(
        f"""
        WITH moments AS (
            SELECT coalesce(sure, chosen) + clock AS written, shift, make_timestamp(since) AS since,
                TIMESTAMP '1899-12-30' + to_microseconds((serial * 86400000000)::BIGINT) AS serial
            FROM parsed
        ), placed AS (
            SELECT coalesce(
                CASE WHEN shift IS NULL THEN written
                    ELSE timezone('{timezone}', timezone('UTC', written - to_minutes(shift))) END,
                timezone('{timezone}', timezone('UTC', since)),
                date_trunc('second', serial + INTERVAL 500 MILLISECOND)
            ) AS moment FROM moments
        )
        SELECT CASE WHEN year(moment) BETWEEN 1900 AND {latest} THEN moment END AS moment FROM placed
        """,
        parsed=parsed.append_column("chosen", chosen),
    )["moment"].combine_chunks()
    if swapped := _half_converted(parsed, found):
        remarks.append(swapped)
        ambiguous = True
    read = pc.is_valid(local)
    for _, name, _ in _UNITS:
        if found.count(pc.and_kleene(read, pc.equal(parsed["unit"].combine_chunks(), name))):
            remarks.append(f"{name} since 1970")
    if found.count(pc.and_kleene(read, pc.is_valid(parsed["serial"].combine_chunks()))):
        remarks.append("days since 1899-12-30, as spreadsheets count")
    zoned = found.count(pc.and_kleene(read, pc.is_valid(parsed["shift"].combine_chunks())))
    if zoned:
        remarks.append(f"times with a zone are converted to {timezone}")
        if zoned < found.count(read):
            remarks.append(f"times without a zone are taken as {timezone}")
    return local, "; ".join(remarks), ambiguous


def _all_iso(found: Distinct) -> pa.Array | None:
    """The times of a column that programs wrote, "2024-05-31 18:30:00" each, in a tenth of the time; None of others."""
    latest = datetime.date.today().year + _YEARS_AHEAD
    sql = f"""
        SELECT CASE WHEN year(moment) <= {latest} THEN moment END AS moment FROM (
            SELECT CASE WHEN regexp_full_match(plain, '{_ISO}') THEN try_cast(plain AS TIMESTAMP) END AS moment
            FROM texts
        )
    """
    moments = query(sql, texts=pa.table({"plain": found.plain}))["moment"].combine_chunks()
    return moments if moments.null_count == found.plain.null_count else None


def _half_converted(parsed: pa.Table, found: Distinct) -> str:
    """What to say where a spreadsheet that expects the month first has opened dates with the day first, or the other
    way round: those with a day up to the 12th are dates with day and month changed over, the others are still texts.
    "" elsewhere.
    """
    sure = parsed["sure"].combine_chunks()
    either = [pc.is_valid(parsed[order].combine_chunks()) for order in ("day_first", "month_first")]
    as_text = pc.and_(pc.or_(*either), pc.is_null(sure))
    low, early = pc.less_equal(pc.day(sure), LAST_MONTH), pc.and_(*either)
    dates, texts = found.count(pc.is_valid(sure)), found.count(as_text)
    if not dates or not texts or found.count(low) < dates or found.count(pc.and_(as_text, early)):
        return ""
    return (
        f"{dates:,} values are dates with a day up to the {LAST_MONTH}th, {texts:,} are texts with a later one: a "
        "spreadsheet may have changed over day and month of the first; export the dates as texts, and check this"
    )


def _order(parsed: pa.Table, found: Distinct) -> tuple[str, pa.Array, list[str], bool]:
    """Which order of day, month and year reads most rows of the column, the dates that fit it, and what to say."""
    this = datetime.date.today().year
    latest = pc.if_else(parsed["short"].combine_chunks(), this + _SHORT_YEARS_AHEAD, this + _YEARS_AHEAD)
    fits = {}
    for order in _ORDERS:
        years = pc.year(parsed[order].combine_chunks())
        fits[order] = pc.fill_null(pc.and_(pc.greater_equal(years, 1970), pc.less_equal(years, latest)), False)
    rows = {order: found.count(fit) for order, fit in fits.items()}
    if not any(rows.values()):
        return "day_first", fits["day_first"], [], False
    american = pc.any(parsed["half"].combine_chunks()).as_py()
    liked = ["month_first", "day_first", "year_first"] if american else ["day_first", "month_first", "year_first"]
    best = max(liked, key=lambda order: (rows[order], -liked.index(order)))
    for other in liked:
        alone = found.count(pc.and_not(fits[other], fits[best]))
        if other != best and alone and rows[other] > alone:  # some values fit both, and nothing tells which they are
            told = f"{_ORDERS[best]}; {alone:,} values fit {_ORDERS[other]} only: the column mixes both, check this"
            return best, fits[best], [told], True
    differs = parsed["differs"].combine_chunks()
    twins = [
        _ORDERS[other]
        for other in liked
        if other != best and rows[other] == rows[best] and pc.any(pc.and_(fits[other], differs)).as_py()
    ]
    if not twins:
        return best, fits[best], [_ORDERS[best]], False
    return best, fits[best], [f"{_ORDERS[best]}; every value could be {' or '.join(twins)} as well: check this"], True
