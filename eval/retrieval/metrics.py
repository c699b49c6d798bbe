"""Retrieval metrics as pure functions, equal to trec_eval's to the last digit that matters.

In: a TREC run in memory (query id -> document id -> score) and judgements (query id -> document id -> grade).
Out: one value per query and metric. The definitions are those of NIST's trec_eval: the gain of a document is its
grade, the discount is log2(rank + 1), the ideal ranking is over all judged documents, and ties are broken by
document id, descending, after scores were cut to float32. Tests compare every one with pytrec_eval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import UserError, suggest

TrecRun = Mapping[str, Mapping[str, float]]
"""The rankings of all queries, as a TREC run has them: query id -> document id -> score, higher is better."""
Qrels = Mapping[str, Mapping[str, int]]
"""Judgements: query id -> document id -> grade; 1 and above is relevant."""
Floats = npt.NDArray[np.float64]
"""One value per query, shape (queries,)."""
Metric = Callable[[Sequence[int], Sequence[int]], float]
"""Takes the grades in ranked order and those of all relevant documents in descending order, and gives a value."""
METRICS = ("ndcg@10", "mrr@10", "recall@100", "hit@1", "hit@3", "hit@10", "map@100")
"""The metrics that every report holds, the headline metric first."""
HEADLINE = METRICS[0]
"""The metric that headlines and the decision are about."""


@dataclass(frozen=True)
class Scores:
    """The values of one system, per query.

    Attributes:
        query_ids: the n judged queries, sorted.
        values: metric -> (n,) array in the order of `query_ids`, each value in 0..1.
    """

    query_ids: tuple[str, ...]
    values: Mapping[str, Floats]

    def means(self) -> dict[str, float]:
        """Returns every metric averaged over the queries; 0 when there are none."""
        return {name: float(values.mean()) if len(values) else 0.0 for name, values in self.values.items()}


def evaluate(trec_run: TrecRun, qrels: Qrels, metrics: Sequence[str] = METRICS) -> Scores:
    """Scores a TREC run on every query with a relevant document.

    A judged query that the TREC run lacks counts 0 (trec_eval's `-c`); one without any relevant document is left
    out, since no ranking of it is better than another.

    Raises:
        UserError: an unknown metric.
    """
    functions = {name: metric(name) for name in metrics}
    query_ids = tuple(sorted(answerable(qrels)))
    values = {name: np.zeros(len(query_ids)) for name in metrics}
    for row, query_id in enumerate(query_ids):
        judged = qrels[query_id]
        grades = [max(judged.get(document, 0), 0) for document in ranking(trec_run.get(query_id, {}))]
        ideal = sorted((grade for grade in judged.values() if grade > 0), reverse=True)
        for name, function in functions.items():
            values[name][row] = function(grades, ideal)
    return Scores(query_ids, values)


def answerable(qrels: Qrels) -> list[str]:
    """Returns the ids of the queries with at least one relevant document."""
    return [query_id for query_id, judged in qrels.items() if any(grade > 0 for grade in judged.values())]


def ranking(scores: Mapping[str, float]) -> list[str]:
    """Returns the ids of documents, best first: float32 score descending, then id descending, as trec_eval sorts them.

    Args:
        scores: document id -> score, of one query.
    """
    return sorted(scores, key=lambda document: (np.float32(scores[document]), document), reverse=True)


def best_rank(scores: Mapping[str, float], judged: Mapping[str, int]) -> tuple[int, str]:
    """Returns the 1-based rank and the id of the first relevant document; (0, "") when none is in the ranking.

    Args:
        scores: document id -> score, of one query.
        judged: document id -> grade, of the same query.
    """
    ranked = ((rank, document) for rank, document in enumerate(ranking(scores), start=1))
    return next(((rank, document) for rank, document in ranked if judged.get(document, 0) > 0), (0, ""))


def metric(name: str) -> Metric:
    """Returns the function of a metric by its name, such as `ndcg@10` or `recall@100`.

    Raises:
        UserError: the name before the `@` is not known, or what follows is no positive number.
    """
    kind, _, depth = name.partition("@")
    if kind not in _KINDS or not depth.isdigit() or int(depth) == 0:
        raise UserError(
            f"{name!r} is no metric", where="metric", remedy=suggest(name, (f"{kind}@10" for kind in _KINDS))
        )
    function, k = _KINDS[kind], int(depth)
    return lambda grades, ideal: function(grades, ideal, k)


def ndcg(grades: Sequence[int], ideal: Sequence[int], k: int) -> float:
    """The graded nDCG@k: discounted gain over that of the ideal ranking (Järvelin and Kekäläinen 2002)."""
    return _gain(grades[:k]) / _gain(ideal[:k])


def mrr(grades: Sequence[int], _ideal: Sequence[int], k: int) -> float:
    """One over the rank of the first relevant document; 0 when it is not among the first k."""
    return next((1 / rank for rank, grade in enumerate(grades[:k], start=1) if grade > 0), 0.0)


def recall(grades: Sequence[int], ideal: Sequence[int], k: int) -> float:
    """The share of the relevant documents that is among the first k."""
    return _num_relevant(grades[:k]) / len(ideal)


def precision(grades: Sequence[int], _ideal: Sequence[int], k: int) -> float:
    """The share of relevant documents among the first k, also where fewer were found."""
    return _num_relevant(grades[:k]) / k


def hit(grades: Sequence[int], _ideal: Sequence[int], k: int) -> float:
    """One when a relevant document is among the first k, else 0 (trec_eval calls it `success`)."""
    return float(_num_relevant(grades[:k]) > 0)


def average_precision(grades: Sequence[int], ideal: Sequence[int], k: int) -> float:
    """The mean over all relevant documents of the precision at their rank, 0 for those not among the first k."""
    num_relevant = 0
    total = 0.0
    for rank, grade in enumerate(grades[:k], start=1):
        if grade > 0:
            num_relevant += 1
            total += num_relevant / rank
    return total / len(ideal)


_KINDS: dict[str, Callable[[Sequence[int], Sequence[int], int], float]] = {
    "ndcg": ndcg,
    "mrr": mrr,
    "recall": recall,
    "precision": precision,
    "hit": hit,
    "map": average_precision,
}


def _gain(grades: Iterable[int]) -> float:
    return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def _num_relevant(grades: Sequence[int]) -> int:
    return sum(grade > 0 for grade in grades)
