"""The scale that graded pairs are graded on: which score means nothing in common, and which the same.

In: the scores that there are, and the ends that a user set. Out: scores from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import UserError

_USUAL_HIGHEST = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0, 100.0)
"""The highest grades of usual scales. Data need not reach an end of their scale, so the next one is taken."""


@dataclass(frozen=True)
class Scale:
    """Two ends, of which the higher one is larger."""

    lowest: float
    highest: float

    def grade(self, score: float) -> float | None:
        """Returns a score from 0 to 1; None where it lies outside the scale."""
        inside = self.lowest <= score <= self.highest
        return (score - self.lowest) / (self.highest - self.lowest) if inside else None


def find_scale(least: float, largest: float, lowest: float | None, highest: float | None) -> Scale:
    """Finds the scale of scores.

    An end that is not set is 0 at the bottom (the least score, where that is below 0), and at the top the highest grade
    of the next usual scale (the largest score beyond 100).

    Args:
        least: the smallest score that there is.
        largest: the largest one.
        lowest: the score that means nothing in common; None: found.
        highest: the score that means the same; None: found.

    Raises:
        UserError: the ends leave no scale between them.
    """
    low = min(0.0, least) if lowest is None else lowest
    usual = next((grade for grade in _USUAL_HIGHEST if grade >= largest and grade > low), max(largest, low + 1))
    high = usual if highest is None else highest
    if not low < high:
        raise UserError(
            f"the scale from {low:g} to {high:g} has no room",
            where="examples.lowest_score, examples.highest_score",
            remedy="set the lowest score below the highest one",
        )
    return Scale(low, high)
