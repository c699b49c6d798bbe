"""Whether conditions make texts differ: those that were written under conditions beside controls, which were not.

In: the texts of both, and what encodes them. Out: how much each repeats itself, and whether the difference may be
chance. The share of different pairs of words falls with the number of pairs, so that longer texts would look alike:
both sides are read to one number of pairs, not of texts alone. Near duplicates are rejected before, on both sides, so
that the side with more of them looks better than it was written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.text.words import words
from eval.data_quality.diversity import SampleDiversity, describe_diversity

CONDITIONED, CONTROLS = "conditioned", "controls"
MOST_TEXTS = 500
"""Texts of each side that are compared; more are drawn from."""
PERMUTATIONS = 999
_STEPS = (1, 2, 5)
_MOST_COUNTS = 6
"""Growing numbers of pairs, each at least twice the one before, so that a chart has room for them."""

Pairs = npt.NDArray[np.int64]
"""The number of each pair of neighbouring words, in order."""


@dataclass(frozen=True)
class ControlFigures:
    """How different texts are from one another, beside controls."""

    samples: Mapping[str, SampleDiversity]
    """Of `conditioned` texts and of `controls`, in samples of as many texts: longer ones look more alike there."""
    mean_words: Mapping[str, float]
    """The mean length of a text of each, in words."""
    pairs: int = 0
    """The number of pairs of neighbouring words to which both are read: all of the side that has fewer."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of each, different pairs of neighbouring words over `pairs`, 0 to 1."""
    growth: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """The same by growing numbers of pairs up to that one; empty where there is no pair."""
    difference: float = 0.0
    """The share of conditioned texts, less that of controls."""
    p: float = 1.0
    """Two-sided probability of such a difference if it did not matter which text was a control: a permutation test."""
    kept: int = 0
    """The number of controls that the filters kept, of which the sample was drawn."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """The number of those that they rejected, by reason."""


def compare_with_controls(
    conditioned: Sequence[str],
    controls: Sequence[str],
    encode: Callable[[Sequence[str]], npt.NDArray[np.floating[Any]]],
    seed: int,
    *,
    permutations: int = PERMUTATIONS,
) -> ControlFigures:
    """Compares texts with controls, in samples of one size.

    Args:
        conditioned: texts that were written under conditions, at least one.
        controls: texts that were not, at least one.
        encode: makes vectors of texts, (texts, dim).
        seed: of the draws.
        permutations: how often texts change sides at random.
    """
    assert conditioned, "there is something to compare"
    assert controls, "there is something to compare with"
    rng = np.random.default_rng(seed)
    size = min(MOST_TEXTS, len(conditioned), len(controls))
    sides = {
        name: [texts[row] for row in rng.permutation(len(texts))[:size]]
        for name, texts in ((CONDITIONED, conditioned), (CONTROLS, controls))
    }
    numbered = _number_pairs([*sides[CONDITIONED], *sides[CONTROLS]])
    pairs = dict(zip(sides, _cut(numbered[:size], numbered[size:]), strict=True))
    shares = {name: _distinct(found) for name, found in pairs.items()}
    difference, beyond = shares[CONDITIONED] - shares[CONTROLS], 0
    for _ in range(permutations):
        order = rng.permutation(2 * size)
        first, second = _cut([numbered[row] for row in order[:size]], [numbered[row] for row in order[size:]])
        beyond += abs(_distinct(first) - _distinct(second)) >= abs(difference) - 1e-12
    number = len(pairs[CONTROLS])
    return ControlFigures(
        samples={
            name: describe_diversity(texts, np.asarray(encode(texts), np.float64), seed=seed)
            for name, texts in sides.items()
        },
        mean_words={name: float(np.mean([len(words(text)) for text in texts])) for name, texts in sides.items()},
        pairs=number,
        shares=shares,
        growth={name: {count: _distinct(found[:count]) for count in _counts(number)} for name, found in pairs.items()},
        difference=difference,
        p=(1 + beyond) / (1 + permutations),
    )


def _number_pairs(texts: Sequence[str]) -> list[Pairs]:
    """Numbers the pairs of neighbouring words of each text: equal pairs have one number."""
    known: dict[tuple[str, str], int] = {}
    numbered = []
    for text in texts:
        found = words(text)
        pairs = itertools.pairwise(found)
        numbered.append(np.array([known.setdefault(pair, len(known)) for pair in pairs], np.int64))
    return numbered


def _cut(first: Sequence[Pairs], second: Sequence[Pairs]) -> tuple[Pairs, Pairs]:
    """Returns the first pairs of the texts of either side, as many as the side with fewer has."""
    both = np.concatenate(first), np.concatenate(second)
    number = min(map(len, both))
    return both[0][:number], both[1][:number]


def _distinct(pairs: Pairs) -> float:
    """Returns the number of different pairs over that of all; 0 where there are none."""
    return int(np.count_nonzero(np.bincount(pairs))) / len(pairs) if len(pairs) else 0.0


def _counts(number: int) -> list[int]:
    """Returns growing numbers of pairs, the last one `number`; none of no pairs."""
    rounds = (factor * 10**power for power in range(1, len(str(number)) + 1) for factor in _STEPS)
    return [*(count for count in rounds if 2 * count <= number), number][-_MOST_COUNTS:] if number else []
