"""Finds where the names beside the dots of a chart can stand, so that no line and no other name strikes them through.

In: dots with a vertical line each, in pixels of the narrowest drawing. Out: for each name the line beside which it
begins, on which side, and its height. A wider drawing only moves the lines further apart, so that what is free here is
free there. Names are placed one after the other where they cost least, and then each once more beside all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAME_PIXELS = 15
"""The height of a name, and so the least distance of two."""
GAP = 8
"""Pixels between a line and the name beside it."""
_STEP = 5
"""The heights that are tried are so many pixels apart."""
_EDGES = 5
"""A name may stand beyond so many lines on either side of its dot."""
_DOT = 6
"""The pixels around the middle of a dot that are to stay free."""
_PASSES = 3
_STRUCK, _COVERED, _OUTSIDE, _CROSSED = 300.0, 2000.0, 40.0, 30.0
"""What it costs, in pixels of distance: a line or a dot through the name, another name, a pixel outside of the drawing,
another dot on the way from the dot to the name."""

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Dot:
    """A dot and its line, in pixels from the left and from the top, and the width of its name."""

    x: float
    y: float
    top: float
    bottom: float
    name: float


@dataclass(frozen=True)
class NamePlace:
    """Where a name stands.

    Attributes:
        beside: the number of the dot beside whose line it begins; most often its own.
        side: 1 on the right of that line, -1 on the left.
        y: the height of its middle.
    """

    beside: int
    side: int
    y: float


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The places that a name may have, (places,) each: where it begins and ends, and its middle."""

    beside: NDArray[np.int64]
    side: NDArray[np.int64]
    left: _Numbers
    right: _Numbers
    y: _Numbers


def place_names(dots: Sequence[Dot], left: float, right: float, height: float) -> list[NamePlace]:
    """Places the names of all dots.

    Args:
        dots: in any order.
        left: where the drawing begins, in pixels.
        right: where it ends.
        height: its height.
    """
    candidates = [_candidates(dots, number, height) for number in range(len(dots))]
    fixed = [_fixed_costs(dots, number, candidates[number], left, right) for number in range(len(dots))]
    chosen: dict[int, int] = {}
    for _ in range(_PASSES):
        for number, free in enumerate(candidates):
            costs = fixed[number].copy()
            for other, at in chosen.items():
                if other != number:
                    taken = candidates[other]
                    is_beside = (free.left < taken.right[at]) & (free.right > taken.left[at])
                    costs += _COVERED * (is_beside & (np.abs(free.y - taken.y[at]) < NAME_PIXELS))
            chosen[number] = int(costs.argmin())
    return [
        NamePlace(int(free.beside[chosen[number]]), int(free.side[chosen[number]]), float(free.y[chosen[number]]))
        for number, free in enumerate(candidates)
    ]


def _candidates(dots: Sequence[Dot], number: int, height: float) -> _Candidates:
    dot, half = dots[number], NAME_PIXELS / 2
    places = [(number, 1), (number, -1)]
    for side in (1, -1):
        beyond = [at for at, other in enumerate(dots) if at != number and side * (other.x - dot.x) >= 0]
        places += [(at, side) for at in sorted(beyond, key=lambda at: abs(dots[at].x - dot.x))[:_EDGES]]
    heights = np.arange(half, max(height - half, half) + 1, _STEP)
    heights = np.unique(np.append(heights, np.clip(dot.y, half, max(height - half, half))))
    beside = np.repeat([at for at, _ in places], len(heights))
    sides = np.repeat([side for _, side in places], len(heights))
    begin = np.array([dots[at].x for at in beside]) + sides * GAP
    end = begin + sides * dot.name
    return _Candidates(beside, sides, np.minimum(begin, end), np.maximum(begin, end), np.tile(heights, len(places)))


def _fixed_costs(dots: Sequence[Dot], number: int, free: _Candidates, left: float, right: float) -> _Numbers:
    """Computes what each place costs whatever the others are: distance, lines and dots in it, and what is cut off."""
    dot, half = dots[number], NAME_PIXELS / 2
    begin = np.where(free.side > 0, free.left, free.right)
    costs = np.hypot(begin - dot.x - free.side * GAP, free.y - dot.y)
    costs += _OUTSIDE * (np.clip(left - free.left, 0, None) + np.clip(free.right - right, 0, None))
    for at, other in enumerate(dots):
        is_over = (free.left < other.x + 2) & (free.right > other.x - 2)
        costs += _STRUCK * (is_over & (free.y + half > other.top) & (free.y - half < other.bottom))
        is_near = (free.left < other.x + _DOT) & (free.right > other.x - _DOT)
        costs += _STRUCK * (is_near & (np.abs(free.y - other.y) < half + _DOT))
        if at != number:
            costs += _CROSSED * _is_on_the_way(dot, other, begin, free.y)
    return costs


def _is_on_the_way(dot: Dot, other: Dot, x: _Numbers, y: _Numbers) -> NDArray[np.bool_]:
    """Tells whether another dot lies between a dot and each of some points."""
    across, down = x - dot.x, y - dot.y
    length = np.maximum(np.hypot(across, down), 1e-9)
    along = ((other.x - dot.x) * across + (other.y - dot.y) * down) / length
    apart = np.abs((other.x - dot.x) * down - (other.y - dot.y) * across) / length
    return np.asarray((along > _DOT) & (along < length) & (apart < _DOT))
