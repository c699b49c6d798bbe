"""The figures of a learning curve: what each number of examples reaches and cost, and where more stop helping.

In: what every query reaches with each of the models. Out: a LearningCurve, the content of learning_curve.json. Of each
number of examples several models were trained with different seeds. Figures are means over these, and intervals cover
both the draw of queries (by document where they were written from documents) and the draw of seeds.

More examples stop helping at the smallest number, 0 for the base among them, beside which no larger number is
significantly better (p of the interval's test, corrected by Holm over the larger numbers).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.storage.typed import from_json_values
from eval.comparisons import holm
from eval.retrieval.metrics import HEADLINE, Floats
from eval.significance import Bootstrap, DifferenceFigures
from eval.sweeps.measuring import MEASURED
from eval.sweeps.paired import LEVEL


@dataclass(frozen=True)
class Effort:
    """What a number of examples cost; of the base nothing."""

    share: float
    """Share of the training documents."""
    examples: int
    """Kept examples of these documents, which were trained on."""
    samples: int
    """Samples that were generated of these documents."""
    engine_seconds: float | None
    """Time of the engines, in proportion to the samples: of GPUs where there were any, else of cores. None where all
    samples were taken over from an earlier run."""
    training_seconds: float
    """Mean time of one training."""


@dataclass(frozen=True)
class Level:
    """What one number of examples reaches with one system."""

    mean: float
    """Mean nDCG@10 over queries and trainings."""
    ci95: tuple[float, float]
    """Its 95 % interval."""
    seeds: Sequence[float]
    """The mean over the queries, of each training."""
    metrics: Mapping[str, float]
    """The mean over queries and trainings, by metric."""
    gain: DifferenceFigures | None
    """The difference to the next smaller number of examples; None for the base."""


@dataclass(frozen=True)
class SystemCurve:
    """One system with all numbers of examples, on one set of queries."""

    levels: Sequence[Level]
    """In the order of `LearningCurve.efforts`."""
    enough: int
    """The number, in that order, from which on more examples stop helping."""
    beyond: DifferenceFigures | None
    """The largest number of examples beside that one; None where it is that one."""


@dataclass(frozen=True)
class SetCurves:
    """All systems on one set of queries."""

    name: str
    """The set: `judged`, or `held_out`."""
    queries: int
    clusters: int
    """The number of documents that they were written from; of judged questions their own number."""
    bm25: float
    """Mean nDCG@10 of BM25, which learns nothing."""
    systems: Mapping[str, SystemCurve]
    """`tuned`, and `tuned_words`, whose first level is that of the base."""


@dataclass(frozen=True)
class LearningCurve:
    """Everything in learning_curve.json."""

    efforts: Sequence[Effort]
    """Ascending; the first is that of the base."""
    seeds: int
    weight: float
    """The weight of words in `tuned_words`."""
    processor: str
    """Whose seconds `engine_seconds` are: GPU or CPU."""
    benchmark: str
    """Where judged questions are from; "" where there are none."""
    sets: Mapping[str, SetCurves]
    is_made_up: bool = False
    """Whether the fake generator computed the samples (`samples=fake`): then no figure says anything."""


def read_learning_curve(file: Path) -> LearningCurve:
    """Reads the figures of a finished learning curve."""
    return from_json_values(LearningCurve, json.loads(file.read_text(encoding="utf-8")))


def system_curve(values: Sequence[Mapping[str, Floats]], clusters: Sequence[str], bootstrap: Bootstrap) -> SystemCurve:
    """Compares one system with all numbers of examples.

    Args:
        values: what each query reaches with each training, by metric, (trainings, queries), for each number of
            examples; the first are those of the base, of which there is one.
        clusters: the cluster of each query.
        bootstrap: how resamples are drawn.
    """
    headline = [by_metric[HEADLINE] for by_metric in values]
    levels = [
        Level(
            float(column.mean()),
            mean_with_seeds(column, clusters, bootstrap, (0.0, 1.0)).ci95,
            [float(mean) for mean in column.mean(axis=1)],
            {metric: float(by_metric[metric].mean()) for metric in MEASURED},
            _difference(column, headline[at - 1], clusters, bootstrap) if at else None,
        )
        for at, (column, by_metric) in enumerate(zip(headline, values, strict=True))
    ]
    enough = enough_at(headline, clusters, bootstrap)
    beyond = None if enough == len(headline) - 1 else _difference(headline[-1], headline[enough], clusters, bootstrap)
    return SystemCurve(levels, enough, beyond)


def enough_at(headline: Sequence[Floats], clusters: Sequence[str], bootstrap: Bootstrap) -> int:
    """Returns the smallest number of examples beside which no larger one is significantly better; see the module."""
    for at, column in enumerate(headline):
        larger = {
            other: _difference(headline[other], column, clusters, bootstrap) for other in range(at + 1, len(headline))
        }
        corrected = holm({other: difference.p for other, difference in larger.items()})
        if not any(larger[other].mean > 0 and corrected[other] < LEVEL for other in larger):
            return at
    raise AssertionError("nothing is larger than the largest")


def mean_with_seeds(
    values: Floats, clusters: Sequence[str], bootstrap: Bootstrap, limits: tuple[float, float]
) -> DifferenceFigures:
    """Computes a mean over trainings and queries, with an interval that covers the draw of both.

    The mean of the seeds that are drawn in a resample is spread by sqrt(n / (n - 1)) for n seeds, as
    `Resampled.figures` does it for clusters. With three seeds this is a rough estimate; with one there is none.

    Args:
        values: per training and query, (trainings, queries).
        clusters: the cluster of each query.
        bootstrap: how resamples are drawn.
        limits: the least and the largest value that the mean can have.
    """
    resampled = bootstrap.resample({"": values.mean(axis=0)}, clusters)[""]
    by_seed = values.mean(axis=1)
    if (count := len(by_seed)) > 1:
        rng = np.random.default_rng([bootstrap.seed, count])
        drawn = by_seed[rng.integers(count, size=(bootstrap.resamples, count))].mean(axis=1) - by_seed.mean()
        resampled = replace(resampled, means=resampled.means + math.sqrt(count / (count - 1)) * drawn)
    return replace(resampled, limits=limits).figures()


def _difference(values: Floats, others: Floats, clusters: Sequence[str], bootstrap: Bootstrap) -> DifferenceFigures:
    """Computes how far one number of examples is from another; trainings of one seed are paired."""
    return mean_with_seeds(values - others, clusters, bootstrap, (-1.0, 1.0))
