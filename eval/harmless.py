"""The check for harm of a run: of both models alone and with words, by all held-out queries and without each fold.

In: what the systems reach on the held-out queries. Out: the decision, and what it would have been without each fold of
the queries, so that no query is scored by a choice that a decision made with it (`eval/crossfit.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.counting import counting
from eval.crossfit import MODELS, Harmless
from eval.decision import FUSED_WEIGHT, decide, with_fused
from eval.recommendation import CorpusSystems
from eval.report import Decision
from eval.retrieval.corpus import with_words
from eval.retrieval.figures import resample, units_of
from eval.retrieval.metrics import Scores
from eval.retrieval.ranking import Results
from eval.significance import Bootstrap
from eval.weights import FOLDS, fold_of

if TYPE_CHECKING:
    from engine.runtime.console import Console

_RESAMPLES_OF_A_FOLD = 2_000
"""The resamples of each fold's decision, at most: a standard error of them is right to 2 %, and there are ten folds."""


def fuse_models(systems: CorpusSystems, held_out: Results, k: int) -> Results:
    """Measures both models with words on the held-out queries.

    Args:
        systems: BM25, base and tuned.
        held_out: their results.
        k: the number of documents ranked per query.

    Returns:
        the results of base with words and of tuned with words under the names of the models, so that they are compared
        as these are.
    """
    fused = systems.measure_with_words(held_out, FUSED_WEIGHT, k).scores
    return replace(held_out, scores={**held_out.scores, **{model: fused[with_words(model)] for model in MODELS}})


def check_with_words(
    decision: Decision, fused: Results, level: float, bootstrap: Bootstrap, original_of: Mapping[str, str]
) -> Decision:
    """Adds the check of both models with words to the decision between them.

    Args:
        decision: that between the models alone.
        fused: what `fuse_models` returned.
        level: level of the interval that decides.
        bootstrap: how resamples are drawn.
        original_of: document id -> id of the document that it is a copy of.
    """
    return with_fused(decision, resample(fused, bootstrap, original_of), level)


def harmless_in_folds(
    decision: Decision,
    results: tuple[Results, Results],
    level: float,
    bootstrap: Bootstrap,
    original_of: Mapping[str, str],
    *,
    console: Console | None = None,
) -> Harmless:
    """Decides once more without each fold of the queries.

    Args:
        decision: that by all queries.
        results: of the models alone, and with words.
        level: level of the interval that decides.
        bootstrap: how resamples are drawn.
        original_of: document id -> id of the document that it is a copy of.
        console: is told how many folds are done; None tells nobody.
    """
    drawn = replace(bootstrap, resamples=min(bootstrap.resamples, _RESAMPLES_OF_A_FOLD))
    folds = np.array([fold_of(unit) for unit in units_of(results[0], original_of)], np.int64)
    passes = []
    with counting(console, FOLDS, "folds (of the check for harm)") as advance:
        for fold in range(FOLDS):
            alone, fused = (resample(_some(part, folds != fold), drawn, original_of) for part in results)
            passes.append(with_fused(decide(alone, level), fused, level).model == "tuned")
            advance()
    return Harmless(decision.model == "tuned", passes)


def _some(results: Results, taken: NDArray[np.bool_]) -> Results:
    """Returns the results on some of the queries, (queries,), in the order of the scores."""
    scores = {
        name: Scores(
            tuple(query for query, is_taken in zip(found.query_ids, taken, strict=True) if is_taken),
            {metric: values[taken] for metric, values in found.values.items()},
        )
        for name, found in results.scores.items()
    }
    return replace(results, scores=scores)
