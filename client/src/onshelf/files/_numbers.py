"""Numbers as people write them: signs, separators, currencies, percent."""

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from onshelf.files._engine import query
from onshelf.files._reading import Distinct, Reading, distinct, folded, reading

# Active currencies of ISO 4217.
CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU "
    "UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
# What else is written beside an amount, and which currencies it can be.
_SIGNS = """
€ euro euros eur€: EUR
£ pounds: GBP EGP
₹ inr₹ rupees: INR
rs: INR PKR LKR NPR MUR SCR
元 圆: CNY TWD HKD MOP
rmb 人民币 cn¥ rmb¥ cny¥: CNY
¥: CNY JPY
円 jp¥ yen: JPY
₩ 원 won: KRW
$: USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP UYU BSD BBD BZD BMD JMD TTD XCD FJD NAD LRD
dollars: USD CAD AUD NZD SGD HKD
us$ usd$ $us: USD
a$ au$: AUD
c$ ca$: CAD
nz$: NZD
hk$: HKD
s$: SGD
nt$: TWD
mx$: MXN
r$: BRL
kr: SEK NOK DKK ISK
zł: PLN
kč: CZK
ft: HUF
lei: RON MDL
лв: BGN
₴ грн: UAH
₺ tl: TRY
₽ руб р: RUB BYN
₪: ILS
฿: THB
₫ đ: VND
₱: PHP CUP
₦: NGN
rm: MYR
rp: IDR
fr sfr: CHF XOF XAF
dhs: AED MAD
r: ZAR
"""


def _signs() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {code.lower(): (code,) for code in CODES.split()}
    for line in _SIGNS.strip().splitlines():
        signs, _, codes = line.partition(": ")
        found |= {sign: tuple(codes.split()) for sign in folded(signs.split())}
    return found


CURRENCIES = _signs()  # of each mark in small letters


def currencies_of(mark: str) -> tuple[str, ...]:
    """The ISO 4217 codes that a mark of `Reading.marks` can stand for."""
    return CURRENCIES[mark.lower()]


# A sign, a currency, a sign, digits with separators, a sign, a currency, a sign. A full stop after letters belongs to
# the currency ("Rs.499"); one after a symbol does not ("$.50"). Plain classes of bytes are several times as fast as
# those of Unicode; which words are currencies is looked up.
_WORD = r"(?:[a-z\x{80}-\x{10FFFF}]+\.|[^-+0-9.,'' ]+)?"
_SHAPE = (
    rf"^([+-]?) ?({_WORD}) ?([+-]?) ?((?:[0-9]|[.,][0-9])[0-9., '']*?)(e[+-]?[0-9]+)?([.,]-{{1,2}}|[.,]?)"
    rf" ?([+-]?) ?({_WORD}) ?([+-]?)$"
)  # within quotes of SQL
_GROUPS = "'before', 'word', 'inside', 'body', 'exponent', 'no_cents', 'after', 'unit', 'last'"


def _grouped(sign: str) -> str:
    """Digits in groups of three, or, as in India, of two before the last three."""
    return f"(?:[0-9]{{1,3}}(?:{sign}[0-9]{{3}})+|[0-9]{{1,2}}(?:{sign}[0-9]{{2}})*{sign}[0-9]{{3}})"


_PARSED = rf"""
WITH bare AS (
    SELECT lower(translate(plain, '−‐‑‒–—―’‘`ʼ٫٬', '-------''''''''.,')) AS text FROM texts
), signed AS (
    SELECT regexp_full_match(text, '[^0-9()]*\([^()]*\)[^0-9()]*') AS brackets, contains(text, '%') AS percent,
        regexp_replace(regexp_replace(regexp_replace(text, '[()]', '', 'g'), '^ *%|% *$', ''), '/-$', '') AS text,
        regexp_matches(text, '[()]') AS any_brackets
    FROM bare
), parts AS (
    SELECT brackets, percent, any_brackets, regexp_extract(trim(text), '{_SHAPE}', [{_GROUPS}]) AS p FROM signed
), spaced AS (
    SELECT *, regexp_full_match(p.body, '[0-9]{{1,3}}([ ''][0-9]{{3}})+([.,][0-9]+)?') AS groups,
        regexp_replace(p.body, '[ '']', '', 'g') AS digits,
        (p.before || p.inside || p.after || p.last) AS signs,
        rtrim(replace(p.word, ' ', ''), '.') AS word, rtrim(replace(p.unit, ' ', ''), '.') AS unit
    FROM parts
), kinds AS (
    SELECT *, CASE
        WHEN p.body = '' OR (any_brackets AND NOT brackets) OR length(signs) + brackets::INT > 1 THEN NULL
        WHEN length(digits) < length(p.body) AND NOT groups THEN NULL
        WHEN regexp_full_match(digits, '[0-9]+') THEN 'whole'
        WHEN regexp_full_match(digits, '[1-9][0-9]{{0,2}}\.[0-9]{{3}}') AND NOT groups AND p.exponent = '' THEN 'point?'
        WHEN regexp_full_match(digits, '[1-9][0-9]{{0,2}},[0-9]{{3}}') AND NOT groups AND p.exponent = '' THEN 'comma?'
        WHEN regexp_full_match(digits, '[0-9]*\.[0-9]+') THEN 'point'
        WHEN regexp_full_match(digits, '[0-9]*,[0-9]+') THEN 'comma'
        WHEN regexp_full_match(digits, '{_grouped(",")}(\.[0-9]*)?') THEN 'point'
        WHEN regexp_full_match(digits, '{_grouped("[.]")}(,[0-9]*)?') THEN 'comma'
    END AS kind FROM spaced
)
SELECT kind, digits, p.exponent AS exponent, brackets OR contains(signs, '-') AS negative, percent, word, unit
FROM kinds
"""


SIGNS = {".": "point", ",": "comma"}  # that may stand before decimals


def numbers(values: pa.ChunkedArray | pa.Array, decimal: str | None = None) -> Reading:
    """A column of numbers: `values` are float64.

    `(4.50)`, `−4.50` and `4.50-` are negative. `Rs. 499`, `3.49 EUR`, `CHF 1'299.90`, `1 299,90`, `1,23,456` and `12元`
    are read. `percent` tells `20%` (read as 20) from `20`. Whether a comma stands before decimals or thousands is
    decided by the whole column, or stated: `decimal` is the sign before decimals, "." or ",", and what is written
    otherwise is not understood then.
    """
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _typed(column.cast(pa.float64()))
    read = _read(column, decimal)
    return dataclasses.replace(read, values=read.values.cast(pa.float64()))


def decimals(values: pa.ChunkedArray | pa.Array, decimal: str | None = None) -> Reading:
    """The same as `numbers`, with `values` as texts that keep every digit: "-1299.90"."""
    return _read(values, decimal)


def currencies(values: pa.ChunkedArray | pa.Array) -> Reading:
    """A column of currencies, as codes or signs: `values` and `currencies` are marks as in `numbers`."""
    found = distinct(values)
    names, known = _known_marks()
    place = pc.index_in(pc.utf8_lower(found.plain), known.cast(found.plain.type))
    marks = names.take(place)
    counted = pc.value_counts(found.spread(marks).drop_null()).to_pylist()
    ordered = [one["values"] for one in sorted(counted, key=lambda one: (-one["counts"], one["values"]))]
    return reading(found, marks, marks=marks, currencies=ordered)


def _known_marks() -> tuple[pa.Array, pa.Array]:
    """The mark that `Reading.currencies` has for each known sign or code, and these in small letters."""
    names = [codes[0] if len(codes) == 1 else sign for sign, codes in CURRENCIES.items()]
    return pa.array(names, pa.string()), pa.array(CURRENCIES, pa.string())


def _typed(column: pa.ChunkedArray) -> Reading:
    given = pc.and_kleene(pc.is_valid(column), pc.invert(pc.fill_null(pc.is_nan(column), False)))
    finite = pc.fill_null(pc.is_finite(column), False)
    odd = tuple(dict.fromkeys(str(v) for v in column.filter(pc.and_not(given, finite)).slice(0, 5).to_pylist()))
    return Reading(
        values=pc.if_else(finite, column, None),
        filled=pc.sum(given).as_py() or 0,
        read=pc.sum(finite).as_py() or 0,
        odd=odd,
        wrong=pc.and_not(given, finite) if odd else None,
    )


def _read(values: pa.ChunkedArray | pa.Array, stated: str | None) -> Reading:
    found = distinct(values)
    shape = query(_PARSED, texts=pa.table({"plain": found.plain})).combine_chunks()
    names, signs = _known_marks()
    known = pa.table({"mark": signs, "name": names})
    word, unit = _marks(shape["word"], known), _marks(shape["unit"], known)
    unknown = pc.or_(_unknown(shape["word"], word), _unknown(shape["unit"], unit))
    kind = pc.if_else(unknown, None, shape["kind"].combine_chunks())
    counts = {name: found.count(pc.equal(kind, name)) for name in ("point", "comma", "point?", "comma?")}
    if stated is None:
        decimal, ambiguous, remarks = _convention(counts, found, kind)
    else:
        decimal, ambiguous, remarks = SIGNS[stated], False, [f"decimal {SIGNS[stated]}, as stated"]
        other = next(name for name in SIGNS.values() if name != decimal)
        kind = pc.if_else(pc.equal(kind, other), None, kind)
    text = query(
        """
        SELECT CASE WHEN k IS NULL THEN NULL ELSE
            (CASE WHEN negative THEN '-' ELSE '' END) ||
            (CASE k WHEN 'comma' THEN replace(replace(digits, '.', ''), ',', '.') ELSE replace(digits, ',', '') END) ||
            exponent END AS text
        FROM (SELECT *, CASE kind WHEN 'point?' THEN $D WHEN 'comma?' THEN $D ELSE kind END AS k FROM shape)
        """.replace("$D", f"'{decimal}'" if decimal else "NULL"),
        shape=shape.set_column(0, "kind", kind),
    )["text"].combine_chunks()
    marks = pc.if_else(pc.is_null(text), None, pc.coalesce(unit, word))
    percent = pc.and_(shape["percent"].combine_chunks(), pc.is_valid(text))
    marked = found.spread(marks)
    counted = pc.value_counts(marked.drop_null()).to_pylist() if pc.any(pc.is_valid(marks)).as_py() else []
    ordered = [one["values"] for one in sorted(counted, key=lambda one: (-one["counts"], one["values"]))]
    if len(ordered) > 1:
        rows = {one["values"]: one["counts"] for one in counted}
        remarks.append("several currencies: " + ", ".join(f"{name} ({rows[name]:,})" for name in ordered))
    any_percent = bool(pc.any(percent).as_py())
    if any_percent:
        remarks.append(f"{found.count(percent):,} values with a percent sign")
    return reading(
        found,
        text,
        remark="; ".join(remarks),
        ambiguous=ambiguous,
        percent=percent if any_percent else None,
        marks=marks if ordered else None,
        currencies=ordered,
    )


def _marks(words: pa.ChunkedArray, known: pa.Table) -> pa.Array:
    """The currency of each mark; null where there is none, or an unknown one."""
    place = pc.index_in(words.combine_chunks().cast(pa.string()), known["mark"].combine_chunks())
    return known["name"].combine_chunks().take(place)


def _unknown(words: pa.ChunkedArray, marks: pa.Array) -> pa.Array:
    written = pc.fill_null(words.combine_chunks(), "")
    return pc.and_(pc.not_equal(written, ""), pc.is_null(marks))


def _convention(counts: dict[str, int], found: Distinct, kind: pa.Array) -> tuple[str, bool, list[str]]:
    """What "1,299" and "1.299" are in this column ("" where the column contradicts itself), and what to say of it."""
    point, comma = counts["point"], counts["comma"]
    open_rows = counts["point?"] + counts["comma?"]
    either = pc.or_kleene(pc.equal(kind, "point?"), pc.equal(kind, "comma?"))
    example = next(iter(found.samples(either)), "")
    if point and comma:
        winner = "point" if point >= 20 * comma else "comma" if comma >= 20 * point else ""
        told = f"decimal point ({point:,} values) and decimal comma ({comma:,}) are mixed"
        if open_rows:
            told += f"; values like {example} could be either" + (
                f" and are read with a decimal {winner}" if winner else ""
            )
        return winner, bool(open_rows), [f"{told}: check this"]
    if comma:
        return "comma", False, ["decimal comma"]
    if point or not open_rows:
        return "point", False, []
    if counts["point?"] and counts["comma?"]:
        return "", True, [f"values like {example} could have thousands or three decimals: nothing decides"]
    how = "three decimals" if counts["point?"] else "thousands"
    other = "thousands" if counts["point?"] else "three decimals"
    return (
        "point",
        True,
        [f"values like {example} are read with {how}; all of them could be {other} as well: check this"],
    )
