"""Draws systems over what they cost, and recall over depth, as inline SVG on logarithmic scales; see `plots.py`.

In: plain numbers, and the CSS classes of systems. Out: an `<svg>` as wide as its box. x positions are percentages and y
positions pixels, so that dots and texts keep their size at any width; names beside dots are moved apart where they
would lie on each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from eval.page.plots import Axis, nice_axis

_LEFT, _WIDTH = 9.0, 88.0
"""Where the plot begins, and how wide it is, in percent of the drawing."""
_LINE_PIXELS = 15
"""The least distance of two names, in pixels."""
_HALF_LETTER = 4
"""How far the line that letters stand on is below their middle, in pixels."""
_NAME_CHARACTERS = 28
"""The characters of a name beside a dot; the whole name appears under a pointer, and in the table."""
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
    height = max(height, _LINE_PIXELS * (len(points) + 1))  # every name has a line of its own
    parts = _grid(ticks, y_axis, height, unit)
    dots = [_y(point.y, y_axis, height) for point in points]
    names = spread([dot + _HALF_LETTER for dot in dots], _LINE_PIXELS, _LINE_PIXELS, height - _HALF_LETTER)
    titles = [f"{point.name}: {point.y:.3f} [{point.low:.3f}, {point.high:.3f}], {unit(point.x)}" for point in points]
    for point, title in zip(points, titles, strict=True):
        ends = (_y(point.low, y_axis, height), _y(point.high, y_axis, height))
        parts.append(_interval(point, title, _x(point.x, ticks), ends))
    for point, dot, name in zip(points, dots, names, strict=True):  # names lie above lines, and dots above names
        parts.append(_name(point, _x(point.x, ticks), dot, name))
    for point, title, dot in zip(points, titles, dots, strict=True):
        circle = f'<circle class="dot" cx="{_x(point.x, ticks):.2f}%" cy="{dot:.1f}" r="4.5"/>'
        parts.append(f'<g class="{escape(point.kind)}"><title>{escape(title)}</title>{circle}</g>')
    return _svg("scatter", height + 22, label, parts)


def _interval(point: Point, title: str, x: float, ends: tuple[float, float]) -> str:
    """Draws the interval of a system, between two heights in pixels, where it lies in percent."""
    line = f'<line class="interval" x1="{x:.2f}%" x2="{x:.2f}%" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}"/>'
    return f'<g class="{escape(point.kind)}"><title>{escape(title)}</title>{line}</g>'


def _name(point: Point, x: float, dot: float, name: float) -> str:
    """Writes the name of a system beside its dot, with a line between the two where the name was moved.

    Args:
        point: the system.
        x: where it lies, in percent.
        dot: the height of the dot, in pixels from the top.
        name: that of the line which the letters stand on.
    """
    side, anchor = (-1, "end") if x > _LEFT + _WIDTH / 2 else (1, "start")
    shown = point.name if len(point.name) <= _NAME_CHARACTERS else f"{point.name[: _NAME_CHARACTERS - 1].rstrip()}…"
    # A line by pixels from a percentage: a nested svg shifts the origin.
    leader = f'<line class="leader" x1="0" y1="{dot:.1f}" x2="{8 * side}" y2="{name - _HALF_LETTER:.1f}"/>'
    return (
        f'<g class="{escape(point.kind)}"><svg x="{x:.2f}%" overflow="visible">{leader}</svg>'
        f'<text x="{x:.2f}%" dx="{10 * side}" y="{name:.1f}" text-anchor="{anchor}">{escape(shown)}</text></g>'
    )


def curves(series: Mapping[str, Mapping[int, float]], label: str, *, height: int = 210) -> Markup:
    """Draws shares by depth as lines, from 0 to 1, the depth on a logarithmic scale.

    Args:
        series: the values by depth, by the CSS classes of their line; all at the same depths.
        label: what the drawing shows.
        height: of the plot in pixels, the axis not counted.
    """
    depths = sorted(next(iter(series.values()), {}))
    if len(depths) < 2:
        return Markup("")
    axis = nice_axis(0, 1)
    parts = _grid([float(depth) for depth in depths], axis, height, lambda depth: f"{depth:.0f}")
    ends = [math.log(depths[0]), math.log(depths[-1])]
    for kind, values in series.items():
        steps = [
            f"{100 * (math.log(depth) - ends[0]) / (ends[1] - ends[0]):.2f} {_y(values[depth], axis, height):.1f}"
            for depth in depths
        ]
        path = f'<path class="{escape(kind)}" vector-effect="non-scaling-stroke" d="M{" L".join(steps)}"/>'
        box = f'viewBox="0 0 100 {height}" preserveAspectRatio="none" height="{height}"'
        parts.append(f'<svg {box} x="{_LEFT}%" width="{_WIDTH}%">{path}</svg>')
    return _svg("curves", height + 22, label, parts)


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
        anchor = "end" if tick == ticks[-1] else "middle"
        parts.append(f'<text x="{x:.2f}%" y="{height + 16}" text-anchor="{anchor}">{escape(unit(tick))}</text>')
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
