"""Draws systems over what they cost, and recall over depth, as inline SVG on logarithmic scales; see `plots.py`.

In: plain numbers, and the CSS classes of systems. Out: an `<svg>` as wide as its box. x positions are percentages and y
positions pixels, so that dots and texts keep their size at any width. Nothing is to lie on anything else: dots of one
cost stand side by side, names where no line goes (`names.py`), and beside the ends of curves one below the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from eval.page.names import GAP, NAME_PIXELS, Dot, NamePlace, place_names
from eval.page.plots import Axis, nice_axis

_LEFT, _WIDTH = 9.0, 88.0
"""Where the plot begins, and how wide it is, in percent of the drawing."""
_NARROWEST = 340
"""The pixels of the narrowest drawing, for which names are placed."""
_BESIDE = 1.0
"""Dots are no nearer to each other than this, in percent, so that their lines can be told apart."""
_LETTER_PIXELS = 6.8
"""The width of a letter of a name, on average."""
_HALF_LETTER = 4
"""How far the line that letters stand on is below their middle, in pixels."""
_NAME_CHARACTERS = 28
"""The characters of a name beside a dot; the whole name appears under a pointer, and in the table."""
_SAMPLE = (16, 40)
"""Where the sample of a curve before its name begins and ends, in pixels from the end of the curve."""
_LEAST_REACH = 0.1
"""The scale of curves reaches so far at least, also where nothing is found."""
_MOST_TICKS = 6


@dataclass(frozen=True)
class Point:
    """A system in the plane of cost and quality."""

    kind: str
    """The CSS classes."""
    name: str
    """The text beside the dot."""
    x: float
    """The cost, above 0."""
    y: float
    low: float
    high: float


def scatter(points: Sequence[Point], unit: Callable[[float], str], label: str, *, height: int = 230) -> Markup:
    """Draws quality over cost: a dot with its interval for each system, the cost on a logarithmic scale.

    Args:
        points: the systems; without any nothing is drawn.
        unit: writes a cost, such as `3.4 ms`.
        label: what the drawing shows, for those who do not see it.
        height: of the plot in pixels, the axis not counted.
    """
    if not points:
        return Markup("")
    ticks = log_ticks(min(point.x for point in points), max(point.x for point in points))
    y_axis = nice_axis(min(point.low for point in points), max(point.high for point in points))
    height = max(height, NAME_PIXELS * (len(points) + 1))  # every name has a line of its own
    parts = _grid(ticks, y_axis, height, unit)
    places = spread([_x(point.x, ticks) for point in points], _BESIDE, _LEFT, _LEFT + _WIDTH)
    dots = [_dot(point, x, y_axis, height) for point, x in zip(points, places, strict=True)]
    names = place_names(dots, _NARROWEST * _LEFT / 100, _NARROWEST, height)
    titles = [f"{point.name}: {point.y:.3f} [{point.low:.3f}, {point.high:.3f}], {unit(point.x)}" for point in points]
    for point, title, x, dot in zip(points, titles, places, dots, strict=True):
        parts.append(_interval(point, title, x, (dot.bottom, dot.top)))
    for point, x, dot, name in zip(points, places, dots, names, strict=True):  # above lines, and dots above names
        parts.append(_name(point, (x, dot.y), places[name.beside], name))
    for point, title, x, dot in zip(points, titles, places, dots, strict=True):
        circle = f'<circle class="dot" cx="{x:.2f}%" cy="{dot.y:.1f}" r="4.5"/>'
        parts.append(f'<g class="{escape(point.kind)}"><title>{escape(title)}</title>{circle}</g>')
    return _svg("scatter", height + 22, label, parts)


def _dot(point: Point, x: float, axis: Axis, height: int) -> Dot:
    """Returns where a system lies in the narrowest drawing; `x` is in percent."""
    y, low, high = (_y(value, axis, height) for value in (point.y, point.low, point.high))
    return Dot(_NARROWEST * x / 100, y, high, low, _LETTER_PIXELS * len(_shown(point.name)))


def _shown(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1].rstrip()}…"


def _interval(point: Point, title: str, x: float, ends: tuple[float, float]) -> str:
    """Draws the interval of a system, between two heights in pixels, where it lies in percent."""
    line = f'<line class="interval" x1="{x:.2f}%" x2="{x:.2f}%" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}"/>'
    return f'<g class="{escape(point.kind)}"><title>{escape(title)}</title>{line}</g>'


def _name(point: Point, dot: tuple[float, float], beside: float, place: NamePlace) -> str:
    """Writes the name of a system where there is room for it, with a line from the dot to it.

    Args:
        point: the system.
        dot: where it lies, in percent from the left and in pixels from the top.
        beside: the line beside which the name begins, in percent.
        place: on which side of that line, and how high.
    """
    side, anchor = place.side, "start" if place.side > 0 else "end"
    # A line by pixels from a percentage: a nested svg shifts the origin.
    start = dot[1] if beside == dot[0] else place.y
    leader = f'<line class="leader" x1="0" y1="{start:.1f}" x2="{(GAP - 2) * side}" y2="{place.y:.1f}"/>'
    way = ""
    if beside != dot[0]:
        ends = f'x1="{dot[0]:.2f}%" x2="{beside:.2f}%" y1="{dot[1]:.1f}" y2="{place.y:.1f}"'
        way = f'<line class="leader" {ends}/>'
    return (
        f'<g class="{escape(point.kind)}">{way}<svg x="{beside:.2f}%" overflow="visible">{leader}</svg>'
        f'<text x="{beside:.2f}%" dx="{GAP * side}" y="{place.y + _HALF_LETTER:.1f}" text-anchor="{anchor}">'
        f"{escape(_shown(point.name))}</text></g>"
    )


@dataclass(frozen=True)
class Curve:
    """The values of one system by depth."""

    kind: str
    """The CSS classes."""
    name: str
    values: Mapping[int, float]


def curves(series: Sequence[Curve], label: str, *, height: int = 230) -> Markup:
    """Draws shares by depth as lines, from 0 up, the depth on a logarithmic scale.

    Args:
        series: the lines, from the lowest to the one that lies on all others; all at the same depths.
        label: what the drawing shows.
        height: of the plot in pixels, the axis not counted; that of the names where there are many.
    """
    depths = sorted(series[0].values) if series else []
    if len(depths) < 2:
        return Markup("")
    axis, height = _curves_axis(series), _curves_height(series, height)
    parts = _grid([float(depth) for depth in depths], axis, height, lambda depth: f"{depth:.0f}")
    ends = [math.log(depths[0]), math.log(depths[-1])]
    for curve in series:
        steps = [
            f"{100 * (math.log(depth) - ends[0]) / (ends[1] - ends[0]):.2f} {_y(curve.values[depth], axis, height):.1f}"
            for depth in depths
        ]
        path = f'<path class="{escape(curve.kind)}" vector-effect="non-scaling-stroke" d="M{" L".join(steps)}"/>'
        box = f'viewBox="0 0 100 {height}" preserveAspectRatio="none" height="{height}"'
        parts.append(f'<svg {box} x="{_LEFT}%" width="{_WIDTH}%">{path}</svg>')
    return _svg("curves", height + 22, label, parts)


def curve_names(series: Sequence[Curve], *, height: int = 230) -> Markup:
    """Draws the names of curves, to stand on the right of `curves`, each with a line from where its curve ends.

    Args:
        series: what `curves` was given.
        height: what it was given.
    """
    if not curves(series, ""):
        return Markup("")
    axis, height = _curves_axis(series), _curves_height(series, height)
    ends = [_y(curve.values[max(curve.values)], axis, height) for curve in series]
    names = spread(ends, NAME_PIXELS, NAME_PIXELS / 2, height - NAME_PIXELS / 2)
    start, stop = _SAMPLE
    parts = []
    for curve, end, name in zip(series, ends, names, strict=True):
        leader = f'<line class="leader" x1="0" x2="{start - 2}" y1="{end:.1f}" y2="{name:.1f}"/>'
        sample = f'<path class="{escape(curve.kind)}" d="M{start} {name:.1f} H{stop}"/>'
        text = f'<text x="{stop + 6}" y="{name + _HALF_LETTER:.1f}">{escape(_shown(curve.name))}</text>'
        parts.append(f'<g class="{escape(curve.kind)}"><title>{escape(curve.name)}</title>{leader}</g>{sample}{text}')
    width = stop + 6 + math.ceil(_LETTER_PIXELS * max(len(_shown(curve.name)) for curve in series))
    return Markup(
        f'<svg class="curves names" width="{width}" height="{height + 22}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _curves_axis(series: Sequence[Curve]) -> Axis:
    return nice_axis(0, max(_LEAST_REACH, *(value for curve in series for value in curve.values.values())))


def _curves_height(series: Sequence[Curve], height: int) -> int:
    return max(height, NAME_PIXELS * (len(series) + 1))


def log_ticks(low: float, high: float) -> list[float]:
    """Returns round numbers around two costs: 1, 2 and 5 times powers of ten, or powers alone where these are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first - 1, last + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        numbers = [factor * 10.0**power for power in powers for factor in factors]
        start = max([number for number in numbers if number <= low], default=numbers[0])
        stop = min([number for number in numbers if number >= high], default=numbers[-1])
        ticks = [number for number in numbers if start <= number <= max(stop, start * 2)]
        if len(ticks) <= _MOST_TICKS:
            break
    return ticks if len(ticks) > 1 else [ticks[0], ticks[0] * 10]


def spread(positions: Sequence[float], least: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Moves positions apart, each as little as their order allows, so that no two are nearer than `least`.

    Args:
        positions: in any order.
        least: the least distance.
        low: no position is moved below this, as long as there is room for all up to `high`.
        high: no position is moved above this.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)

    def begin(group: Sequence[int]) -> float:
        """Returns where a group of neighbours begins, whose middle is the mean of its positions where there is room."""
        width = (len(group) - 1) * least
        middle = sum(positions[number] for number in group) / len(group)
        return max(low, min(middle - width / 2, high - width))

    groups: list[list[int]] = []
    for number in order:
        groups.append([number])
        while len(groups) > 1 and begin(groups[-1]) < begin(groups[-2]) + len(groups[-2]) * least:
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = list(positions)
    for group in groups:
        start = begin(group)
        for place, number in enumerate(group):
            moved[number] = start + place * least
    return moved


def _grid(ticks: Sequence[float], y_axis: Axis, height: int, unit: Callable[[float], str]) -> list[str]:
    parts = []
    for tick in ticks:
        x = _x(tick, ticks)
        parts.append(f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height}"/>')
        parts.append(f'<text x="{x:.2f}%" y="{height + 16}" text-anchor="middle">{escape(unit(tick))}</text>')
    digits = 2 if y_axis.high - y_axis.low > 0.05 else 3
    for tick in y_axis.ticks:
        y = _y(tick, y_axis, height)
        parts.append(f'<line class="grid" x1="{_LEFT}%" x2="{_LEFT + _WIDTH}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT}%" dx="-6" y="{y + 4:.1f}" text-anchor="end">{tick:.{digits}f}</text>')
    return parts


def _x(value: float, ticks: Sequence[float]) -> float:
    """Returns where a number lies on the logarithmic scale of its ticks, in percent."""
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    return _LEFT + _WIDTH * (math.log(value) - low) / (high - low)


def _y(value: float, axis: Axis, height: int) -> float:
    """Returns where a number lies, in pixels from the top; the ends are half a line inside."""
    inside = (value - axis.low) / (axis.high - axis.low)
    return 8 + (height - 16) * (1 - inside)


def _svg(kind: str, height: float, label: str, parts: Sequence[str]) -> Markup:
    named = f'role="img" aria-label="{escape(label)}"'
    return Markup(f'<svg class="{kind}" width="100%" height="{height}" {named}>{"".join(parts)}</svg>')
