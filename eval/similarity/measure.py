"""Measures models on pairs of texts that people graded.

In: an examples folder of the form `graded`, and what scores pairs. Out: SimilarityFigures. A bi-encoder scores by the
cosine of its vectors, a cross-encoder by the sigmoid of its logit, which is what it is trained to make like the grade.
The first text is read as a query and the second as a passage, as in training; that matters only where a model has
prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import PASSAGE, QUERY, SCORE
from eval.given.rows import draw_examples
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap
from eval.similarity.figures import SimilarityFigures, shared_text_clusters, similarity_figures

if TYPE_CHECKING:
    from engine.search.cross_encoder import CrossEncoder
    from engine.search.encoder import Encoder
    from eval.given.trained import TrainedTexts

SIMILARITY = "similarity"
"""The name under which a step finds the graded pairs of a file, after the setting `report.similarity`."""
PairScores = Callable[[Sequence[str], Sequence[str]], Floats]
"""Takes first and second texts and gives how much each pair means the same, (pairs,)."""


def measure_similarity(
    folder: ExamplesFolder,
    split: str,
    scorers: Mapping[str, PairScores],
    limit: int,
    bootstrap: Bootstrap,
    *,
    trained: TrainedTexts | None = None,
) -> SimilarityFigures | None:
    """Scores graded pairs with each model; None where there are no pairs.

    Args:
        folder: examples of the form `graded`.
        split: "validation" for the held-out ones, "" for all of them.
        scorers: of base and tuned.
        limit: most pairs to take; 0: all of them.
        bootstrap: how resamples are drawn.
        trained: what was trained on, which pairs of a file may have in common; None of held-out pairs.
    """
    table, total = draw_examples(folder, [QUERY, PASSAGE, SCORE], split, limit, trained.unseen if trained else None)
    if not len(table):
        return None
    firsts, seconds = table[QUERY].to_pylist(), table[PASSAGE].to_pylist()
    grades = table[SCORE].to_numpy().astype(np.float64)
    scores = {name: score(firsts, seconds) for name, score in scorers.items()}
    figures = similarity_figures(grades, scores, shared_text_clusters(firsts, seconds), bootstrap, total)
    return replace(figures, trained_on=trained.left_out if trained else 0)


def cosines(encoder: Encoder) -> PairScores:
    """Returns what scores pairs by the cosine of their vectors, whichever way the model compares them in a search."""

    def score(firsts: Sequence[str], seconds: Sequence[str]) -> Floats:
        left = encoder.encode_queries(list(firsts)).astype(np.float64)
        right = encoder.encode_passages(list(seconds)).astype(np.float64)
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return np.asarray((left * right).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))

    return score


def probabilities(model: CrossEncoder) -> PairScores:
    """Returns what scores pairs by the sigmoid of a cross-encoder's logit."""

    def score(firsts: Sequence[str], seconds: Sequence[str]) -> Floats:
        logits = model.score(firsts, seconds).astype(np.float64)
        return np.asarray(1 / (1 + np.exp(-logits)))

    return score
