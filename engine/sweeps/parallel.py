"""Draws all points of a sweep as parallel coordinates: an axis for each key and one for the score, a line for a point.

In: a space, and points. Out: an `<svg>` as wide as its box, in the way of `eval/page/plots.py`: x positions are
percentages, heights are pixels, colours are CSS classes. The better a point, the stronger its line; the best one has
the colour of a tuned model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from engine.sweeps.journal import Tried
from engine.sweeps.space import Kind, Parameter, Space

_HEIGHT = 260
_TOP, _BOTTOM = 34, 226
"""Where the highest and the lowest value of an axis stand, in pixels."""
_LEFT, _RIGHT = 8.0, 92.0
"""Where the first and the last axis stand, in percent."""
_FAINTEST = 0.2
"""The opacity of the worst point's line."""


@dataclass(frozen=True)
class _Axis:
    """A vertical axis: its title, what stands at its ends, and where a point crosses it, 0 to 1; None: nowhere."""

    title: str
    low: str
    high: str
    share: Callable[[Tried], float | None]


def parallel_chart(space: Space, points: Sequence[Tried], metric: str) -> Markup:
    """Draws points, the worst first and the best last.

    Args:
        space: whose keys are the axes.
        points: with their scores.
        metric: the title of the last axis.
    """
    axes = [*map(_axis_of, space.parameters), _score_axis(points, metric)]
    parts = [_drawn_axis(axis, _x(number, len(axes))) for number, axis in enumerate(axes)]
    for number, point in enumerate(points):
        kind = "tuned" if number == len(points) - 1 else "base"
        opacity = 1.0 if kind == "tuned" else _FAINTEST + 0.5 * number / len(points)
        parts.append(f'<g class="{kind}" opacity="{opacity:.2f}">{_line(point, axes)}</g>')
    label = f"Parallel coordinates of {len(points)} points"
    return Markup(
        f'<svg class="lines" width="100%" height="{_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _line(point: Tried, axes: Sequence[_Axis]) -> str:
    """Draws the line of a point; where a key does not count for it, the line goes on at the next axis."""
    places = [
        (_x(number, len(axes)), share) for number, axis in enumerate(axes) if (share := axis.share(point)) is not None
    ]
    drawn = [
        f'<line class="joint" x1="{x:.2f}%" y1="{_y(share):.1f}" x2="{next_x:.2f}%" y2="{_y(next_share):.1f}"/>'
        for (x, share), (next_x, next_share) in itertools.pairwise(places)
    ]
    values = ", ".join(f"{key} {value}" for key, value in point.values.items())
    return f"<g><title>{escape(f'point {point.number}: {values}: {point.score:.4g}')}</title>{''.join(drawn)}</g>"


def _drawn_axis(axis: _Axis, x: float) -> str:
    def text(y: float, words: str) -> str:
        return f'<text x="{x:.2f}%" y="{y}" text-anchor="middle">{escape(words)}</text>'

    line = f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP}" y2="{_BOTTOM}"/>'
    return line + text(12, axis.title) + text(_TOP - 6, axis.high) + text(_BOTTOM + 16, axis.low)


def _axis_of(parameter: Parameter) -> _Axis:
    key = parameter.key
    title = key.removeprefix("model.")
    if parameter.kind is Kind.choice:
        last = max(len(parameter.choices) - 1, 1)

        def place(value: Any) -> float:
            return parameter.choices.index(value) / last

        names = [str(choice) for choice in parameter.choices]
        return _Axis(title, names[0], names[-1] if len(names) > 1 else "", lambda point: _at(point, key, place))
    scale: Callable[[float], float] = math.log if parameter.kind is Kind.loguniform else float
    low, high = scale(parameter.low), scale(parameter.high)
    ends = f"{parameter.low:g}", f"{parameter.high:g}"
    return _Axis(title, *ends, lambda point: _at(point, key, lambda value: (scale(value) - low) / (high - low)))


def _at(point: Tried, key: str, place: Callable[[Any], float]) -> float | None:
    return place(point.values[key]) if key in point.values else None


def _score_axis(points: Sequence[Tried], metric: str) -> _Axis:
    scores = [point.score for point in points if point.score is not None]
    low, high = min(scores), max(scores)

    def place(point: Tried) -> float | None:
        return None if point.score is None else (point.score - low) / (high - low) if high > low else 0.5

    return _Axis(metric, f"{low:.4g}", f"{high:.4g}", place)


def _x(number: int, count: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * number / (count - 1)


def _y(share: float) -> float:
    return _BOTTOM + (_TOP - _BOTTOM) * min(max(share, 0.0), 1.0)
