"""How different queries are from one another, and how near synthetic ones are to real ones, by their vectors.

In: texts, and an encoder. Out: figures of samples of one size, since a nearest neighbour is the nearer the more there
are to choose from, and the Vendi score rises with the number of texts. Words are compared in `diversity.py`; here two
queries are alike where they ask for the same in other words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.order import Vectors
from engine.text.hashes import text_hash
from eval.data_quality.diversity import dispersion, vendi_score
from eval.retrieval.metrics import Floats

MOST_ENCODED = 400
"""Texts of each kind that are encoded; more are drawn from, by hashes of the texts."""


@dataclass(frozen=True)
class MeaningFigures:
    """What the vectors of a sample of queries say."""

    texts: int
    """Number of texts in the sample, each once."""
    vendi: float
    """The effective number of different texts (Friedman and Dieng 2023), 1 to `texts`."""
    dispersion: float
    """The mean cosine distance of two texts."""
    nearest: float | None
    """The mean cosine of each text with the nearest other one of the same sample; None with one text."""
    nearest_other: float | None = None
    """The mean cosine of each text with the nearest one of the other kind; None where there is no other."""


def describe_meaning(
    texts: Mapping[str, Sequence[str]], encode: Callable[[Sequence[str]], Vectors], limit: int = MOST_ENCODED
) -> dict[str, MeaningFigures]:
    """Describes one or two kinds of texts by their vectors, in samples of one size.

    Args:
        texts: the texts of each kind, by its name; a kind without any is left out.
        encode: gives a vector for each text, none of them zero.
        limit: most texts of a kind to encode.
    """
    written = {kind: sorted({text for text in listed if text.strip()}, key=text_hash) for kind, listed in texts.items()}
    present = {kind: listed for kind, listed in written.items() if listed}
    size = min([limit, *map(len, present.values())])
    vectors = {kind: _unit(encode(listed[:size])) for kind, listed in present.items()}
    return {kind: _figures(kind, vectors) for kind in vectors}


def _figures(kind: str, vectors: Mapping[str, Floats]) -> MeaningFigures:
    own = vectors[kind]
    likeness = own @ own.T
    np.fill_diagonal(likeness, -np.inf)
    others = [other for name, other in vectors.items() if name != kind]
    return MeaningFigures(
        texts=len(own),
        vendi=vendi_score(own),
        dispersion=dispersion(own),
        nearest=float(likeness.max(axis=1).mean()) if len(own) > 1 else None,
        nearest_other=float((own @ others[0].T).max(axis=1).mean()) if others else None,
    )


def _unit(vectors: Vectors) -> Floats:
    """Returns vectors of length 1, as float64."""
    values = np.asarray(vectors, np.float64)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
