"""What each weight of words reaches on a set of queries, and how far words and meaning agree on each query.

In: judged queries, or synthetic ones with the document that each was written from; a system that goes by words and one
that goes by meaning. Out: nDCG@10 of every query at every weight of words, from 0 (meaning alone) to 1 (words alone).
Each system searches once; the fusions are of what they found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import POOL, FoundSystem, FusedSystem, Part
from engine.search.order import Ranking, Rows
from engine.search.systems import System
from engine.text.hashes import text_hash
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE, Floats, evaluate
from eval.retrieval.ranking import rank_documents

WEIGHTS = tuple(step / 20 for step in range(21))
"""The weights of words that are compared; that of meaning is what is left to 1."""
_DEPTH = 10
"""The number of documents that nDCG@10 looks at."""
FOLDS = 10
"""The number of parts that queries are taken apart into, to choose by all but one and to measure on that one."""
BLANK = "?"
"""What is searched for in the place of a query without words, since not every encoder reads an empty text."""


@dataclass(frozen=True, eq=False)
class WeightCurves:
    """What each weight reaches on each of n queries.

    Attributes:
        values: nDCG@10, (n, weights). A query without words reaches 0 at every weight.
        agreement: the share of the passages found that both systems found, (n,); nan for a query without words.
        clusters: the document that each query was written from, or the query itself; n of them.
        weights: the weight of words of each column.
    """

    values: Floats
    agreement: Floats
    clusters: Sequence[str]
    weights: Sequence[float] = WEIGHTS

    def at(self, weight: float) -> Floats:
        """Returns what one of the weights reaches, (n,)."""
        return self.values[:, self.weights.index(weight)]

    def in_fold(self, fold: int) -> NDArray[np.bool_]:
        """Tells which queries belong to a fold, 0 to `FOLDS` - 1; those of one cluster are in one fold, (n,)."""
        return np.array([fold_of(cluster) == fold for cluster in self.clusters], bool)

    def without(self, fold: int) -> WeightCurves:
        """Returns the curves of the queries of all other folds."""
        rows = np.flatnonzero(~self.in_fold(fold))
        clusters = [self.clusters[row] for row in rows]
        return WeightCurves(self.values[rows], self.agreement[rows], clusters, self.weights)


def fold_of(cluster: str) -> int:
    """Returns the fold of a cluster of queries, which depends on its name alone."""
    return text_hash(f"fold {cluster}") % FOLDS


def measure_weights(
    benchmark: Benchmark, words: System, meaning: System, corpus: Corpus, weights: Sequence[float] = WEIGHTS
) -> WeightCurves:
    """Searches with both systems, and scores their fusion at every weight."""
    texts = list(benchmark.queries.values())
    searched = [text if text.strip() else BLANK for text in texts]
    found = [FoundSystem(system.name, search_pool(system, searched)) for system in (words, meaning)]
    columns = []
    for weight in weights:
        parts = [Part(found[0], weight), Part(found[1], 1 - weight)]
        trec_run = rank_documents(FusedSystem("fused", parts, corpus.ranks_of_ids), benchmark, corpus, _DEPTH)
        columns.append(evaluate(trec_run, benchmark.qrels, [HEADLINE]).values[HEADLINE])
    values, ids = np.stack(columns, axis=1), list(benchmark.queries)
    order = sorted(range(len(ids)), key=ids.__getitem__)  # that of the scores
    is_blank = np.array([not text.strip() for text in texts], bool)[order]
    agreed = agreement(found[0].ranking[0], found[1].ranking[0])[order]
    clusters = [benchmark.unit_of(name, corpus.original_of) for name in sorted(ids)]
    return WeightCurves(values, np.where(is_blank, np.nan, agreed), clusters, weights)


def search_pool(system: System, queries: Sequence[str]) -> Ranking:
    """Finds the passages that a system adds to a fusion."""
    return system.prepare(queries)(POOL)


def agreement(first: Rows, second: Rows) -> Floats:
    """Returns the share of `POOL` passages that two rankings of the same queries have in common, (queries,)."""
    pairs = zip(first, second, strict=True)
    common = [len(np.intersect1d(rows[rows >= 0], others[others >= 0])) for rows, others in pairs]
    return np.array(common, float) / POOL
