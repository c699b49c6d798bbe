"""A classifier whose logits are written down, and texts that it is measured on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.classification.baselines import Labelled
from eval.classification.measure import Texts
from eval.classification.model import Classifier
from eval.retrieval.metrics import Floats

TRAINED = Labelled(["a", "b", "c", "d"], [["x"], ["x"], ["y"], ["x"]])
_TEXTS = ["a", "b", "c", "d", "e", "f"]
_DOCUMENTS = ["d1", "d1", "d2", "d3", "d4", "d5"]


class Written(Classifier):
    """A classifier of the labels x and y with one row of logits for each text."""

    def __init__(self, rows: Sequence[Sequence[float]], *, several: bool = False, temperature: float = 1.0) -> None:
        self.labels, self.several, self.temperature, self._rows = ["x", "y"], several, temperature, rows

    def logits(self, texts: Sequence[str]) -> Floats:
        """Returns the rows that were written down."""
        return np.array(self._rows[: len(texts)], np.float64).reshape(len(texts), 2)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Vectors that depend on the first letter."""
    return np.array([[1.0, ord(text[0]) % 2] for text in texts])


def texts_with(labels: Sequence[Sequence[str]], *, last: str = "") -> Texts:
    """The first texts of six with these labels; the fifth may be another one."""
    texts = [*_TEXTS[:4], last or "e", "f"][: len(labels)]
    return Texts(Labelled(texts, labels), _DOCUMENTS[: len(labels)], 60)


def many_texts(labels: Sequence[Sequence[str]], *, trained_on: int | None = None) -> Texts:
    """As many texts as there are labels, each of a document of its own."""
    names = [f"text {number}" for number in range(len(labels))]
    return Texts(Labelled(names, labels), names, len(names), trained_on)
