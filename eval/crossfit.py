"""What a choice reaches on queries that took part in it, without flattering it.

In: what is chosen by, and what the systems reach at some weights on the queries that a report shows. Out: values per
query. A choice that saw a query looks better on it than it is. So the choice is made once more for each fold of the
queries, by all others, and a query counts what the system reaches that was chosen without it (cross-fitting; whole
documents are in one fold, since queries of one document tell of each other). The mean is that of the way of choosing,
on a little less than all there is to choose by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eval.choice import Evidence, HeldOut, model_of
from eval.counting import counting
from eval.report import Choice
from eval.retrieval.corpus import with_words
from eval.retrieval.metrics import HEADLINE, Floats
from eval.significance import Bootstrap
from eval.weights import FOLDS, WEIGHTS, WeightCurves

if TYPE_CHECKING:
    from engine.runtime.console import Console

MODELS = ("base", "tuned")
"""The encoders that words are added to."""
CHOSEN = "(chosen)"
"""The name of the values of whatever was chosen without a query; no system can have it (`eval/entries.py`)."""
COLUMN = f"crossfitted_{HEADLINE}"
"""The column of per_query.parquet that has these values, by the name of each system that they are shown for."""


@dataclass(frozen=True)
class Harmless:
    """Whether the decision lets the tuned encoder pass.

    Attributes:
        by_all: by all held-out queries.
        folds: by those without each fold in turn.
    """

    by_all: bool
    folds: Sequence[bool]


@dataclass(frozen=True)
class Selection:
    """A system that was chosen, and the weight at which both models with words stand beside it.

    Attributes:
        model: base or tuned.
        weight: the weight of words, 0 to 1.
        inside: the same, or the best weight between where words or meaning alone were chosen.
    """

    model: str
    weight: float
    inside: float


@dataclass(frozen=True)
class Chosen:
    """What was chosen by all queries, and without each fold of them.

    Attributes:
        choice: the system to search with.
        inside: the weight at which both models with words are shown: that of the choice, or the best one between where
            words or meaning alone were chosen.
        folds: what was chosen without each fold.
    """

    choice: Choice
    inside: float
    folds: Sequence[Selection]


def weights_of(evidence: Evidence) -> list[tuple[float, float]]:
    """Returns for all queries, and then without each fold in turn, the weight that is chosen and the one inside."""
    parts = [evidence, *(evidence.without(fold) for fold in range(FOLDS))]
    return [(WEIGHTS[part.best()], WEIGHTS[part.best(inside=True)]) for part in parts]


def select(
    evidence: Evidence,
    weights: Sequence[tuple[float, float]],
    held_out: HeldOut | None,
    bootstrap: Bootstrap,
    harmless: Harmless,
    *,
    console: Console | None = None,
) -> list[Selection]:
    """Chooses without each fold in turn.

    Args:
        evidence: what words and the base encoder reach.
        weights: what `weights_of` gave for the same evidence.
        held_out: what both encoders reach at these weights; None where nothing was held out.
        bootstrap: how intervals are drawn.
        harmless: whether the decision lets the tuned encoder pass, without each fold.
        console: is told how many folds are done; None tells nobody.
    """
    selections = []
    with counting(console, FOLDS, "folds (of the choice)") as advance:
        for fold, (weight, inside) in enumerate(weights[1:]):
            part = evidence.without(fold)
            tuning = None
            if held_out and len(part.synthetic[0].values):
                tuning = held_out.without(fold).gain(weight, part.shares, bootstrap)
            selections.append(Selection(model_of(tuning, is_harmless=harmless.folds[fold]), weight, inside))
            advance()
    return selections


def crossfitted(selections: Sequence[Selection], curves: Mapping[str, WeightCurves]) -> dict[str, Floats]:
    """Computes what each query counts for the chosen system, and for both models with words.

    Args:
        selections: one for each fold.
        curves: what base and tuned reach with words on the same n queries, at all weights of the selections.

    Returns:
        Values under `CHOSEN` and the names of the models with words, (n,) each.
    """
    count = len(curves["base"].values)
    values = {name: np.zeros(count) for name in (CHOSEN, *map(with_words, MODELS))}
    for fold, selection in enumerate(selections):
        rows = curves["base"].in_fold(fold)
        values[CHOSEN][rows] = curves[selection.model].at(selection.weight)[rows]
        for model in MODELS:
            values[with_words(model)][rows] = curves[model].at(selection.inside)[rows]
    return values
