"""How fast a count grows, once enough is known to tell: what the time left is worked out by.

In: the count, whenever it moves, and the time. Out: a rate; 0 where it would be a guess. The first result of a phase
comes with all that had to begin (a model that compiles, the longest prompts), so that the rate is measured from there
on; and the rate is that of a window and not of the whole phase, so that what was slow an hour ago is forgotten.
"""

from __future__ import annotations

from collections import deque

_WINDOW_SECONDS, _WINDOW_MOVES = 60.0, 20
"""The window goes back so far, and over so many moves, whichever is longer."""
_APART_SECONDS = 0.25
"""Moves that are nearer to each other are one."""
_LEAST_MOVES = 3
"""Fewer moves after the first one tell nothing."""
_LEAST_SHARE = 0.05
"""So much of what is to be done tells enough,"""
_MANY_MOVES = 20
"""or so many moves, where they took as long as the first one did: of a million samples a twentieth is a night."""


class Pace:
    """The pace of one count; times are in seconds of any clock that never goes back.

    Args:
        total: where the count ends.
        began: when the phase began.
    """

    def __init__(self, total: int, began: float) -> None:
        self._total = total
        self.start_at(0, began)

    def start_at(self, done: int, now: float) -> None:
        """Begins anew: so much was done before, by an earlier attempt, and tells nothing of the pace of this one."""
        self._began, self._earlier, self._done, self._latest = now, done, done, now
        self._first, self._at_first, self._moves = now, done, 0
        self._points: deque[tuple[float, int]] = deque()

    def reach(self, done: int, now: float) -> None:
        """Notes the count; one that has not moved says nothing."""
        if done == self._done:
            return
        self._done, self._latest = done, now
        if not self._points:
            self._first, self._at_first = now, done
        elif now - self._points[-1][0] < _APART_SECONDS:
            return
        else:
            self._moves += 1
        self._points.append((now, done))
        while len(self._points) > _WINDOW_MOVES + 1 and now - self._points[1][0] > _WINDOW_SECONDS:
            self._points.popleft()

    def per_second(self, now: float) -> float:
        """Returns how much is counted per second; 0 before that can be told.

        A wait of up to twice the usual one changes nothing, and what goes beyond counts, so that a count that stands
        still becomes slow.
        """
        if not self._is_known():
            return 0.0
        since, count = self._points[0]
        usual = (self._latest - since) / (len(self._points) - 1)
        until = max(self._latest, now - 2 * usual)
        return (self._done - count) / (until - since)

    def _is_known(self) -> bool:
        if self._moves < _LEAST_MOVES or self._done <= self._points[0][1]:
            return False
        if self._done - self._at_first >= _LEAST_SHARE * (self._total - self._earlier):
            return True
        return self._moves >= _MANY_MOVES and self._latest - self._first >= self._first - self._began
