"""Draws how far the probabilities of a classifier came true, as inline SVG; see `eval.page.plots`.

In: the bins of a calibration. Out: an `<svg>` as wide as its box: the share that is right by confidence, before and
after the temperature, and the line on which both are equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from html import escape

from markupsafe import Markup

from eval.classification.calibration import Bin, Calibration

_HEIGHT, _LEFT, _WIDTH = 220, 9.0, 88.0
"""The height of the plot in pixels; where it begins and how wide it is, in percent of the drawing."""
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
KINDS = {"before": "base", "after": "tuned"}
"""The CSS classes of the curves."""


def reliability(calibrations: Mapping[str, Calibration]) -> Markup:
    """Draws the curves before and after the temperature; nothing without any."""
    if not calibrations:
        return Markup("")
    parts = [_line("zero", 0.0, 0.0, 1.0, 1.0)]
    for tick in _TICKS:
        parts += [_line("grid", tick, 0.0, tick, 1.0), _line("grid", 0.0, tick, 1.0, tick)]
        parts.append(f'<text x="{_x(tick):.2f}%" y="{_HEIGHT + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{_LEFT}%" dx="-6" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [_curve(KINDS[name], name, calibration) for name, calibration in calibrations.items()]
    label = "Share of right decisions by confidence, before and after the temperature"
    size = f'width="100%" height="{_HEIGHT + 22}"'
    return Markup(f'<svg class="lines" {size} role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _curve(kind: str, name: str, calibration: Calibration) -> str:
    bins = calibration.bins
    joints = [
        _line("joint", before.confidence, before.right, after.confidence, after.right)
        for before, after in itertools.pairwise(bins)
    ]
    dots = [_dot(name, each) for each in bins]
    return f'<g class="{escape(kind)}">{"".join(joints + dots)}</g>'


def _dot(name: str, each: Bin) -> str:
    title = f"{name}: confidence {each.confidence:.2f}, {each.right:.2f} right, {each.count:,} decisions"
    where = f'cx="{_x(each.confidence):.2f}%" cy="{_y(each.right):.1f}"'
    return f'<g><title>{escape(title)}</title><circle class="dot" {where} r="4.5"/></g>'


def _line(kind: str, x: float, y: float, to_x: float, to_y: float) -> str:
    where = f'x1="{_x(x):.2f}%" y1="{_y(y):.1f}" x2="{_x(to_x):.2f}%" y2="{_y(to_y):.1f}"'
    return f'<line class="{kind}" {where}/>'


def _x(value: float) -> float:
    return _LEFT + _WIDTH * value


def _y(value: float) -> float:
    return 8 + (_HEIGHT - 16) * (1 - value)
