"""What plain rules reach on the texts of a classifier: always the same labels, or those of the nearest mean vector.

In: the labelled texts that were trained on, and an encoder that was not. Out: the labels that each rule gives. A
classifier that is no better than these has learnt nothing that a search by the base would not do as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.classification.calibration import Flags
from eval.retrieval.metrics import Floats

Encode = Callable[[Sequence[str]], np.ndarray]
"""Takes texts and gives their vectors, (texts, dim)."""
_AT_ONCE = 4096
"""The texts whose vectors are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with their labels.

    Attributes:
        texts: the texts.
        labels: the labels of each.
    """

    texts: Sequence[str]
    labels: Sequence[Sequence[str]]

    def flags(self, names: Sequence[str]) -> Flags:
        """Tells which of the named labels each text has, (texts, names)."""
        number = {name: column for column, name in enumerate(names)}
        flags = np.zeros((len(self.texts), len(names)), np.bool_)
        for row, labels in enumerate(self.labels):
            flags[row, [number[label] for label in labels if label in number]] = True
        return flags


def most_common(trained: Labelled, names: Sequence[str], count: int) -> Flags:
    """Gives every text the set of labels that is most common in training, of equal ones the first by name.

    Args:
        trained: what was trained on.
        names: all labels.
        count: the number of texts.
    """
    sets = Counter(tuple(sorted(labels)) for labels in trained.labels)
    chosen = min(sets, key=lambda labels: (-sets[labels], labels), default=())
    return np.tile(np.isin(np.array(names), np.array(chosen, dtype=str)), (count, 1))


def nearest_centroid(trained: Labelled, names: Sequence[str], texts: Sequence[str], encode: Encode) -> Flags:
    """Gives each text the labels whose mean vectors in training are nearest to its own, by the cosine.

    Of several labels for a text it gives as many as a text of the training set has on average, one at least.

    Args:
        trained: what was trained on.
        names: all labels.
        texts: what gets labels.
        encode: gives vectors of texts.
    """
    flags = trained.flags(names)
    if not flags.any():
        return np.zeros((len(texts), len(names)), np.bool_)
    sums: Floats | None = None
    for start in range(0, len(trained.texts), _AT_ONCE):
        part = flags[start : start + _AT_ONCE].astype(np.float64)
        added = part.T @ _unit(encode(trained.texts[start : start + _AT_ONCE]))
        sums = added if sums is None else sums + added
    assert sums is not None, "there are texts"
    centroids = _unit(sums)
    known = np.where(flags.any(axis=0), 0.0, -np.inf)  # a label that no text has lies nowhere
    each = min(max(1, round(float(flags.sum(axis=1).mean()))), int(flags.any(axis=0).sum()))
    given = np.zeros((len(texts), len(names)), np.bool_)
    for start in range(0, len(texts), _AT_ONCE):
        near = _unit(encode(texts[start : start + _AT_ONCE])) @ centroids.T + known
        best = np.argsort(-near, axis=1, kind="stable")[:, :each]
        np.put_along_axis(given[start : start + _AT_ONCE], best, True, axis=1)
    return given


def _unit(vectors: np.ndarray) -> Floats:
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))
