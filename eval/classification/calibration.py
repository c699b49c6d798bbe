"""How far the probabilities of a classifier can be taken at their word.

In: confidences and whether each was right, or probabilities and labels. Out: the expected calibration error with its
bins (Guo et al. 2017, "On Calibration of Modern Neural Networks") and Brier's score. Of one label per text the
confidence is the probability of the label that was named; of several labels each decision about a label counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.retrieval.metrics import Floats

Flags = NDArray[np.bool_]
"""Which labels each text has, (texts, labels)."""
NUM_BINS = 10
"""The number of bins of equal width between 0 and 1."""


@dataclass(frozen=True)
class Bin:
    """The decisions whose confidence lies between two bounds; bins without any are left out."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean confidence."""
    right: float
    """Share of the decisions that are right."""


@dataclass(frozen=True)
class Calibration:
    """How far probabilities agree with what came true."""

    ece: float
    """Expected calibration error: the mean distance of confidence and share that is right over the bins, 0 is best."""
    brier: float
    """Brier's score: the mean squared distance of probabilities and truth, summed over the labels where a text has one
    of them, 0 to 2, and averaged over them where it may have several, 0 to 1; 0 is best."""
    bins: Sequence[Bin]


def softmax(logits: Floats) -> Floats:
    """Returns probabilities that sum to 1 for each text, (texts, labels)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logits: Floats) -> Floats:
    """Returns the probability of each label by itself, (texts, labels)."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def calibration(probabilities: Floats, truth: Flags, *, several: bool) -> Calibration:
    """Measures the probabilities of a classifier.

    Args:
        probabilities: (texts, labels), at least one text.
        truth: same shape.
        several: whether a text may have several labels.
    """
    squares = (probabilities - truth) ** 2
    if several:
        bins = calibration_bins(probabilities.ravel(), truth.ravel())
        return Calibration(expected_error(bins), float(squares.mean()), bins)
    named = probabilities.argmax(axis=1)
    rows = np.arange(len(named))
    bins = calibration_bins(probabilities[rows, named], truth[rows, named])
    return Calibration(expected_error(bins), float(squares.sum(axis=1).mean()), bins)


def calibration_bins(confidences: Floats, right: NDArray[np.bool_]) -> list[Bin]:
    """Puts decisions into bins by their confidence; a bound belongs to the bin below it, as in scikit-learn.

    Args:
        confidences: 0 to 1, (decisions,).
        right: whether each came true, (decisions,).
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    bin_of = np.searchsorted(edges[1:-1], confidences)
    bins = []
    for number in range(NUM_BINS):
        inside = bin_of == number
        if inside.any():
            mean, share = float(confidences[inside].mean()), float(right[inside].mean())
            bins.append(Bin(float(edges[number]), float(edges[number + 1]), int(inside.sum()), mean, share))
    return bins


def expected_error(bins: Sequence[Bin]) -> float:
    """Returns the mean distance of confidence and share that is right, each bin counting by its decisions."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.right) for each in bins) / total if total else 0.0
