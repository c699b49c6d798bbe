"""How far people agree who marked the same results, and what counts where they do not.

In: the marks of each. Out: Cohen's kappa of two of them, the results on which they differ, and one grade per result.
The largest grade counts: somebody may have overlooked what answers a query, a mean of grades is no grade, and a
document, too, has the largest grade of its passages.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.judging.sheet import GRADES, Marks


@dataclass(frozen=True)
class Agreement:
    """The agreement of two people on the results that both marked."""

    first: str
    second: str
    results: int
    """Number of results that both marked."""
    share: float
    """The share of them with the same grade; 0 where there are none."""
    kappa: float | None
    """Cohen's kappa over the three grades: 1 for full agreement, 0 for that of chance; None where both gave one and the
    same grade throughout, or nothing was marked by both, so that it is not defined."""


@dataclass(frozen=True)
class Disagreement:
    """One result that was graded differently."""

    pair: tuple[str, str]
    """The ids of the query and the passage."""
    grades: Mapping[str, int]
    """The grade by who gave it; at least two."""


def compare_marks(marks: Mapping[str, Marks]) -> list[Agreement]:
    """Computes the agreement of every two people.

    Args:
        marks: by the name of who marked.
    """
    return [_agreement(first, second, marks) for first, second in itertools.combinations(marks, 2)]


def cohens_kappa(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Cohen's kappa (Cohen 1960): how far the share of agreement lies above that of chance, as a part of the possible.

    Args:
        first: grades of one person.
        second: those of another for the same results.

    Returns:
        -1 to 1; None where it is not defined, since chance alone gives full agreement, or there are no grades.
    """
    if not first:
        return None
    counts = np.zeros((len(GRADES), len(GRADES)))
    np.add.at(counts, (np.asarray(first), np.asarray(second)), 1 / len(first))
    by_chance = float(counts.sum(axis=1) @ counts.sum(axis=0))
    if np.isclose(by_chance, 1.0):
        return None
    return (float(np.trace(counts)) - by_chance) / (1 - by_chance)


def find_disagreements(marks: Mapping[str, Marks]) -> list[Disagreement]:
    """Finds the results with more than one grade, the farthest apart first."""
    pairs = dict.fromkeys(pair for given in marks.values() for pair in given)
    every = [
        Disagreement(pair, {name: given[pair] for name, given in marks.items() if pair in given}) for pair in pairs
    ]
    different = [one for one in every if len(set(one.grades.values())) > 1]
    return sorted(different, key=lambda one: min(one.grades.values()) - max(one.grades.values()))


def combine_marks(marks: Mapping[str, Marks]) -> dict[tuple[str, str], int]:
    """Returns the largest grade that each result was given."""
    combined: dict[tuple[str, str], int] = {}
    for given in marks.values():
        for pair, grade in given.items():
            combined[pair] = max(grade, combined.get(pair, grade))
    return combined


def _agreement(first: str, second: str, marks: Mapping[str, Marks]) -> Agreement:
    both = [pair for pair in marks[first] if pair in marks[second]]
    grades = [[marks[name][pair] for pair in both] for name in (first, second)]
    same = sum(left == right for left, right in zip(*grades, strict=True))
    return Agreement(first, second, len(both), same / max(1, len(both)), cohens_kappa(*grades))
