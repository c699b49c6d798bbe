"""How well the scores of a model agree with grades of pairs of texts, and how sure that is.

In: a grade and a score for each pair, by model. Out: Pearson's and Spearman's correlations as scipy defines them, with
intervals, and tuned minus base. Pairs with a sentence in common are drawn together (the bootstrap of
`eval.significance`, over groups of pairs): a sentence that a model misreads makes all of its pairs wrong. Ranks are
those of each resample, ties included. Scores that are all equal order nothing, so that their correlation, which scipy
leaves undefined, counts as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.text.hashes import query_key
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures, Resampled

PEARSON, SPEARMAN = STATISTICS = ("pearson", "spearman")
"""The two correlations, as report.json names them."""
BASE, TUNED = "base", "tuned"
_CELLS = 1_000_000
"""The numbers of a block of resamples, about 8 MB for each array."""
_TINY = 1e-24
"""A product of variances below this share of its scale is rounding, and the column constant."""


@dataclass(frozen=True)
class SimilarityFigures:
    """How well each model agrees with the grades of the same pairs."""

    pairs: int
    """The number of pairs that were measured on."""
    of: int
    """The number that there were."""
    clusters: int
    """The number of groups of pairs without a sentence in common."""
    systems: Mapping[str, Mapping[str, float]]
    """Pearson's and Spearman's correlation, -1 to 1, by the name of the model."""
    ci95: Mapping[str, Mapping[str, tuple[float, float]]]
    """Their 95 % intervals."""
    difference: Mapping[str, DifferenceFigures]
    """Tuned minus base by correlation, on the same resamples."""
    trained_on: int = 0
    """The number of further pairs that were left out, since a text of them was trained on."""


def similarity_figures(
    grades: Floats, scores: Mapping[str, Floats], clusters: Sequence[str], bootstrap: Bootstrap, of: int = 0
) -> SimilarityFigures:
    """Compares models on graded pairs.

    Args:
        grades: how much each pair means the same, (pairs,), at least one pair.
        scores: of `BASE` and `TUNED`, each (pairs,), finite.
        clusters: the group of each pair; see `shared_text_clusters`.
        bootstrap: how resamples are drawn.
        of: the number of pairs that these were drawn from; 0: there are no others.
    """
    names = list(scores)
    columns = np.stack([grades, *scores.values()], axis=1)
    everything = _correlations(columns, np.ones((1, len(grades))))[:, :, 0]
    resampled = _resampled(columns, clusters, bootstrap)
    count = len(set(clusters))

    def mean(model: int, statistic: int) -> Resampled:
        level, draws = everything[model, statistic], resampled[model, statistic]
        return Resampled(float(level), draws, len(grades), count, (-1.0, 1.0))

    def difference(statistic: int) -> DifferenceFigures:
        base, tuned = mean(names.index(BASE), statistic), mean(names.index(TUNED), statistic)
        draws = tuned.means - base.means
        return Resampled(tuned.mean - base.mean, draws, len(grades), count, (-2.0, 2.0)).figures()

    numbered = list(enumerate(STATISTICS))
    return SimilarityFigures(
        pairs=len(grades),
        of=of or len(grades),
        clusters=count,
        systems={name: {key: mean(at, number).mean for number, key in numbered} for at, name in enumerate(names)},
        ci95={
            name: {key: mean(at, number).figures().ci95 for number, key in numbered} for at, name in enumerate(names)
        },
        difference={key: difference(number) for number, key in numbered},
    )


def shared_text_clusters(firsts: Sequence[str], seconds: Sequence[str]) -> list[str]:
    """Returns the group of each pair: pairs with a text in common are in one, and so are those that a third joins.

    White space and case make no difference. A group is named by the first of its texts.
    """
    root: dict[str, str] = {}

    def find(text: str) -> str:
        while root[text] != text:
            root[text] = root[root[text]]
            text = root[text]
        return text

    pairs = [(query_key(first), query_key(second)) for first, second in zip(firsts, seconds, strict=True)]
    for pair in pairs:
        for text in pair:
            root.setdefault(text, text)
        low, high = sorted(map(find, pair))
        root[high] = low
    return [find(first) for first, _ in pairs]


def _resampled(columns: Floats, clusters: Sequence[str], bootstrap: Bootstrap) -> Floats:
    """Returns the correlations of each resample, (models, statistics, resamples)."""
    number = {name: row for row, name in enumerate(sorted(set(clusters)))}
    cluster_of = np.array([number[name] for name in clusters])
    rng, rows = np.random.default_rng(bootstrap.seed), max(1, _CELLS // len(clusters))
    blocks = []
    for start in range(0, bootstrap.resamples, rows):
        size = min(rows, bootstrap.resamples - start)
        drawn = rng.integers(len(number), size=(size, len(number))) + len(number) * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        blocks.append(_correlations(columns, times[:, cluster_of]))
    return np.concatenate(blocks, axis=2)


def _correlations(columns: Floats, weights: Floats) -> Floats:
    """Computes the correlations of the first column with each other, every pair counted as often as its weight says.

    Args:
        columns: grades, then the scores of each model, (pairs, 1 + models).
        weights: how often each pair stands in each resample, (resamples, pairs).

    Returns:
        Pearson's and Spearman's, (models, statistics, resamples).
    """
    grades, scores = columns[:, 0], columns[:, 1:].T
    ranks = _ranks(grades, weights)
    return np.stack(
        [
            np.stack([_pearson(grades, score, weights), _pearson(ranks, _ranks(score, weights), weights)])
            for score in scores
        ]
    )


def _pearson(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Computes the weighted correlation of each resample, (resamples,); 0 where one side is constant.

    Args:
        first: (pairs,), or (resamples, pairs) where it differs by resample.
        second: likewise.
        weights: (resamples, pairs).
    """
    total = weights.sum(axis=1, keepdims=True)
    first = first - (weights * first).sum(axis=1, keepdims=True) / total
    second = second - (weights * second).sum(axis=1, keepdims=True) / total
    variances = (weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1)
    covariance = (weights * first * second).sum(axis=1)
    is_defined = variances > _TINY * (first**2).max(initial=1.0) * (second**2).max(initial=1.0)
    return np.where(is_defined, covariance / np.sqrt(np.where(is_defined, variances, 1.0)), 0.0)


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Returns the rank of each pair within each resample, equal values having the mean of their ranks.

    Args:
        values: (pairs,).
        weights: how often each pair stands in each resample, (resamples, pairs).

    Returns:
        (resamples, pairs), from 1 on; pairs that a resample lacks have a rank that does not count.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(counts, axis=1) - counts + (counts + 1) / 2
    ranks = np.empty(weights.shape)
    ranks[:, order] = np.repeat(middle, np.diff(np.append(starts, len(values))), axis=1)
    return ranks
