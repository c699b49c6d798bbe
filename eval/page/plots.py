"""Draws charts as inline SVG, without a plotting library or a script, readable at any width.

In: plain numbers. Out: an `<svg>` as wide as its box. All x positions are percentages and heights are pixels, so text
and dots keep their size from a phone to a printed page. Colours are the page's CSS classes (`bm25`, `base`, `tuned`,
`kept`, `real`), so one drawing serves light and dark. Shapes differ as well as colours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

LANE_PIXELS = 15
"""The height from one system's line to the next."""
BAR_SHARE = 0.6
"""Share of a bin's width that its bar fills."""
_NARROW_PIXELS, _WIDE_PIXELS = 150, 290
"""The widths of a column of strips for which the labels of its axis are chosen; report.css knows the second one too."""
_DIGIT_PIXELS = 7.4
"""The width of a digit of a label; a point is half as wide."""
_BETWEEN_LABELS = 4
"""The pixels between two labels, at least."""


@dataclass(frozen=True)
class Mark:
    """One value with its interval."""

    kind: str
    """The CSS class."""
    value: float
    low: float
    high: float
    label: str
    """The text that appears under a pointer."""


@dataclass(frozen=True)
class Axis:
    """A linear scale from `low` to `high`, drawn with ticks at `ticks`."""

    low: float
    high: float
    ticks: Sequence[float]

    def percent(self, value: float) -> float:
        """Returns where a value lies on the drawing, 2 to 98 percent, so that marks at the ends are not cut in half."""
        inside = min(max(value, self.low), self.high)
        return 2 + 96 * (inside - self.low) / (self.high - self.low)


def nice_axis(low: float, high: float, ticks: int = 4) -> Axis:
    """Makes an axis around both values with round ticks (steps of 1, 2 or 5 times a power of ten)."""
    span = max(high - low, 1e-6)
    power = 10 ** math.floor(math.log10(span / ticks))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * ticks >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    values = [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]
    return Axis(values[0], values[-1], values)


def strip(marks: Sequence[Mark], axis: Axis, *, zero: bool = False) -> Markup:
    """Draws marks with their intervals, each on a line of its own.

    Args:
        marks: the values, from top to bottom.
        axis: their scale.
        zero: draws a strong line at 0, for differences.
    """
    height = LANE_PIXELS * len(marks) + 6
    lines = [_vertical(axis.percent(tick), height, "zero" if zero and tick == 0 else "grid") for tick in axis.ticks]
    if zero and 0 not in axis.ticks:
        lines.append(_vertical(axis.percent(0), height, "zero"))
    drawn = [_mark(mark, axis, 3 + LANE_PIXELS * lane + LANE_PIXELS / 2) for lane, mark in enumerate(marks)]
    label = "; ".join(mark.label for mark in marks)
    return _svg("strip", height, label, lines + drawn)


def axis_labels(axis: Axis, digits: int, *, signed: bool = False) -> Markup:
    """Draws the numbers of an axis, to stand below a column of strips: as many as have room beside each other.

    In a narrow column every second one may have room, or fewer; those between have the class `between`.

    Args:
        axis: the scale of the strips.
        digits: decimals of a number.
        signed: writes a plus sign before what is above 0.
    """
    labels = [_label(axis, tick, digits, signed=signed) for tick in axis.ticks]
    zero = next((at for at, tick in enumerate(axis.ticks) if tick == 0), 0)
    narrow, wide = (_with_room(labels, zero, pixels) for pixels in (_NARROW_PIXELS, _WIDE_PIXELS))
    texts = []
    for at in sorted({*narrow, *wide}):
        label, kind = labels[at], "" if at in narrow else ' class="between"'
        where = f'x="{label.x:.2f}%" y="12" text-anchor="{label.anchor}"'
        texts.append(f"<text {where}{kind}>{label.text}</text>")
    return _svg("axis", 16, "", texts)


@dataclass(frozen=True)
class _Label:
    """A number below an axis."""

    text: str
    x: float
    anchor: str

    def ends(self, pixels: float) -> tuple[float, float]:
        """Returns where it begins and ends in a drawing of so many pixels."""
        width = _DIGIT_PIXELS * (len(self.text) - 0.5 * self.text.count("."))
        before = {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return self.x * pixels / 100 - before, self.x * pixels / 100 - before + width


def _label(axis: Axis, tick: float, digits: int, *, signed: bool) -> _Label:
    x = axis.percent(tick)
    text = f"{tick:+.{digits}f}" if signed and tick else f"{tick:.{digits}f}"
    return _Label(text.replace("-", "\u2212"), x, "start" if x < 5 else "end" if x > 95 else "middle")


def _with_room(labels: Sequence[_Label], first: int, pixels: float) -> list[int]:
    """Returns the numbers of the labels that have room: all, or each second, third ... one, `first` among them."""
    for step in range(1, len(labels) + 1):
        shown = [at for at in range(len(labels)) if (at - first) % step == 0]
        ends = [labels[at].ends(pixels) for at in shown]
        if all(right + _BETWEEN_LABELS <= left for (_, right), (left, _) in itertools.pairwise(ends)):
            break
    return shown


def histogram(series: Mapping[str, Mapping[int, int]], *, height: int = 170, last: int | None = None) -> Markup:
    """Draws shares by whole number: the first series as bars, a second one as an outline over them.

    Args:
        series: CSS class -> value -> count; each is scaled to its own total.
        height: of the plot in pixels, the axis not counted.
        last: values from here on share the last bin; by default the 99th percentile of all.
    """
    filled = {name: counts for name, counts in series.items() if sum(counts.values())}
    if not filled:
        return Markup("")
    values = sorted(value for counts in filled.values() for value, count in counts.items() for _ in range(count))
    first = values[0]
    last = max(last or values[int(0.99 * (len(values) - 1))], first)
    shares = {name: _shares(counts, first, last) for name, counts in filled.items()}
    top = max(max(column) for column in shares.values()) * 1.05
    names = list(shares)
    parts = [_shares_grid(top, height), _bars(names[0], shares[names[0]], first, top, height)]
    parts += [_outline(name, shares[name], top, height) for name in names[1:]]
    parts.append(f'<line class="ground" x1="0" x2="100%" y1="{height}" y2="{height}"/>')
    parts.append(_bin_labels(first, last, height))
    return _svg("histogram", height + 22, "Share of queries by length in words", parts)


def _shares(counts: Mapping[int, int], first: int, last: int) -> list[float]:
    total = sum(counts.values())
    column = [0.0] * (last - first + 1)
    for value, count in counts.items():
        column[min(value, last) - first] += count / total
    return column


def _bars(name: str, column: Sequence[float], first: int, top: float, height: int) -> str:
    width = 100 / len(column)
    bars = []
    for index, share in enumerate(column):
        tall = height * share / top
        more = " or more" if index == len(column) - 1 else ""
        left = width * (index + (1 - BAR_SHARE) / 2)
        where = f'x="{left:.3f}%" y="{height - tall:.1f}" width="{width * BAR_SHARE:.3f}%"'
        title = f"<title>{first + index}{more} words: {share:.1%} {escape(name)}</title>"
        bars.append(f'<rect class="{escape(name)}" {where} height="{tall:.1f}" rx="2">{title}</rect>')
    return "".join(bars)


def _outline(name: str, column: Sequence[float], top: float, height: int) -> str:
    """Draws a step line, in a box of its own that stretches, since paths know no percentages."""
    width = 100 / len(column)
    steps = " ".join(
        f"V{height - height * share / top:.1f} H{width * (index + 1):.3f}" for index, share in enumerate(column)
    )
    path = f'<path class="{escape(name)}" vector-effect="non-scaling-stroke" d="M0 {height} {steps} V{height}"/>'
    box = f'viewBox="0 0 100 {height}" preserveAspectRatio="none" width="100%" height="{height}"'
    return f"<svg {box}>{path}</svg>"


def _shares_grid(top: float, height: int) -> str:
    lines = []
    for share in nice_axis(0, top, ticks=3).ticks[1:]:
        y = height - height * share / top
        if y > 0:
            lines.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
            # Left of the drawing, where no bar is: report.css leaves room there.
            lines.append(f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{100 * share:g} %</text>')
    return "".join(lines)


def _bin_labels(first: int, last: int, height: int) -> str:
    bins = last - first + 1
    every = max(1, math.ceil(bins / 10))
    labels = []
    for index in range((bins - 1) % every, bins, every):
        text = f"{last}+" if index == bins - 1 and bins > 1 else f"{first + index}"
        labels.append(
            f'<text x="{100 * (index + 0.5) / bins:.2f}%" y="{height + 16}" text-anchor="middle">{text}</text>'
        )
    return "".join(labels)


def _mark(mark: Mark, axis: Axis, y: float) -> str:
    x, low, high = axis.percent(mark.value), axis.percent(mark.low), axis.percent(mark.high)
    line = f'<line class="interval" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y}" y2="{y}"/>'
    if mark.kind == "bm25":
        # A square needs pixels around a percentage: a nested svg shifts the origin.
        dot = (
            f'<svg x="{x:.2f}%" y="{y}" overflow="visible"><rect class="dot" x="-4" y="-4" width="8" height="8"/></svg>'
        )
    else:
        dot = f'<circle class="dot" cx="{x:.2f}%" cy="{y}" r="4.5"/>'
    return f'<g class="{escape(mark.kind)}"><title>{escape(mark.label)}</title>{line}{dot}</g>'


def _vertical(x: float, height: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height}"/>'


def _svg(kind: str, height: float, label: str, parts: Sequence[str]) -> Markup:
    named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(f'<svg class="{kind}" width="100%" height="{height}" {named}>{"".join(parts)}</svg>')
