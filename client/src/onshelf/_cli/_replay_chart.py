"""A picture of past launches: for each the forecast band, its median, and a dot for what was sold. Plain SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from onshelf._cli import _words as w
from onshelf._cli._replay_file import Replayed
from onshelf._cli._replay_view import band, largest_of, position, totals, verdict
from onshelf._cli._terminal import clean, shortened

_WIDTH, _LABEL, _RIGHT, _ROW, _TOP, _BOTTOM = 920, 330, 110, 30, 78, 52
_PLOT = _WIDTH - _LABEL - _RIGHT
_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #59636e }
  .grid { stroke: #d1d9e0 } .band { fill: #b6d4fe } .median { stroke: #0a3069; stroke-width: 2 }
  .inside { fill: #1a7f37 } .outside { fill: #cf222e } .dot { stroke: #fff; stroke-width: 1.5 } .page { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .band { fill: #1f4b8f }
    .median { stroke: #cae2ff } .inside { fill: #3fb950 } .outside { fill: #f85149 }
    .dot { stroke: #0d1117 } .page { fill: #0d1117 }
  }"""


def chart(replayed: Sequence[Replayed], known: str) -> str:
    """The picture as a text. known: what the forecasts rest on ("data to 2 Jul 2017")."""
    largest, total = largest_of(replayed), totals(replayed)
    height = _TOP + _ROW * len(replayed) + _BOTTOM
    summary = f"{total['inside']} of {len(replayed)} inside the 10–90% band"
    what = f"Units in the first 8 weeks: forecast from {escape(known)} only, and what was sold"
    head = f"{len(replayed)} real launches, forecast blind: {summary}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(summary)}">',
        f"<style>{_STYLE}\n</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="28">{head}</text>',
        f'<text class="small" x="16" y="48">{what}</text>',
    ]
    bottom = _TOP + _ROW * len(replayed)
    for tick in (tick for tick in _TICKS if tick <= largest):
        x = _x(tick, largest)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{bottom}"/>')
        parts.append(f'<text class="small" x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:,}</text>')
    for n, one in enumerate(replayed):
        parts += _row(one, _TOP + _ROW * n + _ROW // 2, largest)
    parts += _legend(bottom + 40)
    return "\n".join([*parts, "</svg>", ""])


def _x(units: float, largest: int) -> float:
    return round(_LABEL + position(units, largest) * _PLOT, 1)


def _row(one: Replayed, y: int, largest: int) -> list[str]:
    low, middle, high = band(one.forecast)
    left, right = _x(low, largest) - 3, _x(high, largest) + 3
    title = escape(shortened(clean(one.case.product.title), 34))
    kind = "inside" if verdict(one) == "inside" else "outside"
    day = escape(w.day(one.case.launch_date, one.case.launch_date.year))
    sold = f"sold {one.case.units_8w:,}" + ("" if kind == "inside" else f" ({verdict(one)})")
    return [
        f'<text x="16" y="{y + 4}">{title}</text>',
        f'<text class="small" x="{_LABEL - 14}" y="{y + 4}" text-anchor="end">{day}</text>',
        f'<rect class="band" x="{left:.1f}" y="{y - 8}" width="{right - left:.1f}" height="16" rx="4"/>',
        f'<line class="median" x1="{_x(middle, largest)}" x2="{_x(middle, largest)}" y1="{y - 8}" y2="{y + 8}"/>',
        f'<circle class="dot {kind}" cx="{_x(one.case.units_8w, largest)}" cy="{y}" r="6"/>',
        f'<text class="small" x="{_WIDTH - _RIGHT + 18}" y="{y + 4}">{escape(sold)}</text>',
    ]


def _legend(y: int) -> list[str]:
    return [
        f'<rect class="band" x="{_LABEL}" y="{y - 10}" width="26" height="12" rx="4"/>',
        f'<text class="small" x="{_LABEL + 32}" y="{y}">10–90% band</text>',
        f'<line class="median" x1="{_LABEL + 130}" x2="{_LABEL + 130}" y1="{y - 11}" y2="{y + 3}"/>',
        f'<text class="small" x="{_LABEL + 138}" y="{y}">median</text>',
        f'<circle class="inside" cx="{_LABEL + 206}" cy="{y - 4}" r="5"/>',
        f'<text class="small" x="{_LABEL + 216}" y="{y}">sold, inside</text>',
        f'<circle class="outside" cx="{_LABEL + 306}" cy="{y - 4}" r="5"/>',
        f'<text class="small" x="{_LABEL + 316}" y="{y}">sold, outside</text>',
    ]
