"""Whether a phase of a run stands still: it has counted nothing for many times its usual interval.

In: what is counted, looked at every few seconds. Out: what stands still since when. What is usual follows from the
phase itself: the mean time between two looks that found it further. A phase that has moved less than a few times has no
usual interval, and gets a long time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.runtime.activity import Count

_FEWEST_MOVES = 3
"""Moves from which a mean interval says something."""


@dataclass(frozen=True)
class Still:
    """A phase that stands still."""

    noun: str
    unit: str
    seconds: float
    """For how long it has counted nothing."""
    usual_seconds: float
    """Its usual interval; 0 where it never had one."""


@dataclass
class _Pace:
    done: int
    first: float
    """When it was seen first."""
    moved: float
    """When it was last seen further than before."""
    moves: int = 0

    def usual_seconds(self) -> float:
        return (self.moved - self.first) / self.moves if self.moves >= _FEWEST_MOVES else 0.0


class Stillness:
    """Remembers how each phase moves.

    Args:
        factor: so many times its usual interval a phase may stay where it is ...
        least_seconds: ... and so long in any case. One without a usual interval may stay for `factor` times this.
    """

    def __init__(self, factor: float, least_seconds: float) -> None:
        self._factor, self._least_seconds = factor, least_seconds
        self._paces: dict[tuple[str, str], _Pace] = {}

    def look(self, counts: Sequence[Count], now: float) -> list[Still]:
        """Takes note of how far phases are; returns those that stand still.

        Args:
            counts: of all phases that go on; those of the last look that are not among them have ended.
            now: in seconds of any clock that never goes back.
        """
        before, self._paces = self._paces, {}
        return [still for count in counts if (still := self._look(count, before, now))]

    def _look(self, count: Count, before: dict[tuple[str, str], _Pace], now: float) -> Still | None:
        key = (count.noun, count.unit)
        pace = self._paces[key] = before.get(key) or _Pace(count.done, now, now)
        if count.done != pace.done:
            pace.done, pace.moved, pace.moves = count.done, now, pace.moves + 1
        usual, seconds = pace.usual_seconds(), now - pace.moved
        allowed = self._factor * usual if usual else self._factor * self._least_seconds
        if seconds <= max(allowed, self._least_seconds):
            return None
        return Still(count.noun, count.unit, seconds, usual)
