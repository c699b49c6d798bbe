"""Draws values against a setting as inline SVG: lines with intervals, readable at any width.

In: series of points, the ticks of the setting, the axis of the values. Out: an `<svg>` as wide as its box. As in
`eval.page.plots`, x positions are percentages and heights are pixels, and colours are CSS classes. Series differ in
their markers as well: a square, a ring, a dot or a diamond.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from eval.page.plots import Axis

HEIGHT = 240
"""The height of the plot in pixels, the labels of the setting not counted."""
_LEFT, _RIGHT = 12.0, 97.0
"""Where the first and the last tick of the setting stand, in percent; the numbers of the values are left of that."""
_APART = 0.9
"""Percent by which the series are moved apart, so that their intervals do not cover each other."""
_TOP = 10
"""Pixels above the highest value."""
_MARKERS = {"bm25": "square", "base": "ring", "base_words": "diamond", "tuned_words": "diamond"}
"""The marker of a series by its CSS class; a dot for every other."""


@dataclass(frozen=True)
class Point:
    """One value with its interval, above the tick of number `at`."""

    at: int
    value: float
    low: float
    high: float
    label: str
    """The text that appears under a pointer."""


@dataclass(frozen=True)
class Series:
    """The values of one system, from left to right."""

    kind: str
    """The CSS class."""
    points: Sequence[Point]


@dataclass(frozen=True)
class Ground:
    """What stands behind the lines: the ticks of the setting, and the scale of the values."""

    ticks: Sequence[str]
    values: Axis
    digits: int = 2
    """Decimals of the numbers beside the scale."""
    limit: float | None = None
    """Where a dashed line is drawn, as a number of ticks from the first, which may lie between two of them."""
    limit_label: str = ""

    def x(self, at: float) -> float:
        """Returns where a number of ticks from the first lies, in percent."""
        share = at / (len(self.ticks) - 1) if len(self.ticks) > 1 else 0.5
        return _LEFT + (_RIGHT - _LEFT) * share

    def y(self, value: float) -> float:
        """Returns how many pixels from the top a value lies."""
        inside = min(max(value, self.values.low), self.values.high)
        return _TOP + (HEIGHT - _TOP) * (self.values.high - inside) / (self.values.high - self.values.low)


def line_chart(series: Sequence[Series], ground: Ground, label: str) -> Markup:
    """Draws all series over one ground.

    Args:
        series: the lines.
        ground: what is behind them.
        label: what the chart shows, for who cannot see it.
    """
    parts = [*_grid(ground), *_limit(ground)]
    for number, one in enumerate(series):
        parts.append(_series(one, ground, (number - (len(series) - 1) / 2) * _APART))
    named = f'role="img" aria-label="{escape(label)}"'
    return Markup(f'<svg class="lines" width="100%" height="{HEIGHT + 22}" {named}>{"".join(parts)}</svg>')


def marker(kind: str) -> Markup:
    """Draws the marker of a series for a legend."""
    return Markup(f'<svg class="{escape(kind)}" width="12" height="12" aria-hidden="true">{_dot(kind, "6", 6)}</svg>')


def _grid(ground: Ground) -> list[str]:
    parts = []
    for tick in ground.values.ticks:
        y = ground.y(tick)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="0" y="{y - 3:.1f}">{tick:.{ground.digits}f}</text>')
    for at, text in enumerate(ground.ticks):
        anchor = "end" if at == len(ground.ticks) - 1 and at else "middle"
        x = 100.0 if anchor == "end" else ground.x(at)
        parts.append(f'<text x="{x:.2f}%" y="{HEIGHT + 17}" text-anchor="{anchor}">{escape(text)}</text>')
    return parts


def _limit(ground: Ground) -> list[str]:
    if ground.limit is None:
        return []
    x = ground.x(ground.limit)
    anchor, away = ("end", -5) if x > (_LEFT + _RIGHT) / 2 else ("start", 5)
    where = f'x="{x:.2f}%" y="{HEIGHT - 6}" dx="{away}" text-anchor="{anchor}"'
    return [
        f'<line class="zero" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{HEIGHT}"/>',
        f"<text {where}>{escape(ground.limit_label)}</text>",
    ]


def _series(series: Series, ground: Ground, apart: float) -> str:
    places = [(ground.x(point.at) + apart, ground.y(point.value)) for point in series.points]
    lines = [
        f'<line class="joint" x1="{x:.2f}%" y1="{y:.1f}" x2="{next_x:.2f}%" y2="{next_y:.1f}"/>'
        for (x, y), (next_x, next_y) in itertools.pairwise(places)
    ]
    for point, (x, y) in zip(series.points, places, strict=True):
        low, high = ground.y(point.low), ground.y(point.high)
        interval = f'<line class="interval" x1="{x:.2f}%" x2="{x:.2f}%" y1="{low:.1f}" y2="{high:.1f}"/>'
        lines.append(f"<g><title>{escape(point.label)}</title>{interval}{_dot(series.kind, f'{x:.2f}%', y)}</g>")
    return f'<g class="{escape(series.kind)}">{"".join(lines)}</g>'


def _dot(kind: str, x: str, y: float) -> str:
    """Draws a marker; a square needs pixels around a percentage, and a nested svg shifts the origin."""
    shape = _MARKERS.get(kind, "dot")
    if shape in {"dot", "ring"}:
        return f'<circle class="dot {shape}" cx="{x}" cy="{y:.1f}" r="4.5"/>'
    turned = ' transform="rotate(45)"' if shape == "diamond" else ""
    square = f'<rect class="dot" x="-4" y="-4" width="8" height="8"{turned}/>'
    return f'<svg x="{x}" y="{y:.1f}" overflow="visible">{square}</svg>'
