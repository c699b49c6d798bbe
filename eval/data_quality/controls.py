"""Whether conditions make texts differ: those that were written under conditions beside controls, which were not.

In: the texts of both, and what encodes them. Out: how much each repeats itself, at one number of texts and by growing
numbers, and whether the difference may be chance. Near duplicates are rejected before, on both sides, so that the side
with more of them looks better than it was written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.text.words import words
from eval.data_quality.diversity import SampleDiversity, describe_diversity
from eval.retrieval.metrics import Floats

CONDITIONED, CONTROLS = "conditioned", "controls"
MOST_TEXTS = 500
"""Texts of each side that are compared; more are drawn from."""
PERMUTATIONS = 999
_STEPS = (1, 2, 5)

Pairs = npt.NDArray[np.int64]
"""The number of each pair of neighbouring words of a text, in order."""


@dataclass(frozen=True)
class ControlFigures:
    """How different texts are from one another, beside controls."""

    samples: Mapping[str, SampleDiversity]
    """Of `conditioned` texts and of `controls`, in samples of one size."""
    mean_words: Mapping[str, float]
    """The mean length of a text of each, in words: longer texts repeat more of their pairs."""
    growth: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """Of each, different pairs of neighbouring words over all such pairs, by the number of texts, 0 to 1."""
    difference: float = 0.0
    """The last of these shares of conditioned texts, less that of controls."""
    p: float = 1.0
    """Two-sided probability of such a difference if it did not matter which text was a control: a permutation test."""


def compare_with_controls(
    conditioned: Sequence[str],
    controls: Sequence[str],
    encode: Callable[[Sequence[str]], Floats],
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
    pairs = _number_pairs([*sides[CONDITIONED], *sides[CONTROLS]])
    of_side = {CONDITIONED: pairs[:size], CONTROLS: pairs[size:]}
    difference = _distinct(pairs[:size]) - _distinct(pairs[size:])
    beyond = 0
    for _ in range(permutations):
        order = rng.permutation(2 * size)
        drawn = _distinct([pairs[row] for row in order[:size]]) - _distinct([pairs[row] for row in order[size:]])
        beyond += abs(drawn) >= abs(difference) - 1e-12
    return ControlFigures(
        samples={name: describe_diversity(texts, encode(texts), seed=seed) for name, texts in sides.items()},
        mean_words={name: float(np.mean([len(words(text)) for text in texts])) for name, texts in sides.items()},
        growth={name: {count: _distinct(texts[:count]) for count in _counts(size)} for name, texts in of_side.items()},
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


def _distinct(texts: Sequence[Pairs]) -> float:
    """Returns the number of different pairs over that of all; 0 where there are none."""
    pairs = np.concatenate(texts)
    return len(np.unique(pairs)) / len(pairs) if len(pairs) else 0.0


def _counts(size: int) -> list[int]:
    """Returns growing numbers of texts, the last one `size`."""
    rounds = (factor * 10**power for power in range(1, len(str(size)) + 1) for factor in _STEPS)
    return [*(count for count in rounds if count < size), size]
