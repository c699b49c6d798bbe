"""Which queries each system alone answers best, with their texts.

In: what the systems reached on one set of queries. Out: per system a count and the clearest cases. Means hide that
systems are good at different queries: here a person sees for which of their questions a system is worth having.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.page.texts import excerpt, first_passages
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE, best_rank
from eval.retrieval.ranking import Results

SHOWN_WINS = 2
"""The queries that are shown of each system."""


@dataclass(frozen=True)
class WonQuery:
    """One query that a system alone answers best.

    Attributes:
        query_id: id of the query.
        query: its text.
        document_id: the relevant document that the system ranks first.
        passage: the start of that document.
        margin: nDCG@10 of the system less that of the next best one.
        ranks: rank of the first relevant document, by system; 0 where it is not among the first k.
    """

    query_id: str
    query: str
    document_id: str
    passage: str
    margin: float
    ranks: Mapping[str, int]


@dataclass(frozen=True)
class Wins:
    """The queries that one system alone answers best: how many, and those with the largest margins."""

    count: int
    clearest: Sequence[WonQuery]


def find_wins(results: Results, corpus: Corpus, count: int = SHOWN_WINS) -> dict[str, Wins]:
    """Finds for each system the queries on which its nDCG@10 is above that of every other system.

    Args:
        results: those of at least two systems.
        corpus: the passages that they searched.
        count: how many to show of each.
    """
    names = list(results.scores)
    if len(names) < 2 or not results.benchmark.queries:
        return {}
    values = np.stack([results.scores[name].values[HEADLINE] for name in names])
    ordered = np.sort(values, axis=0)
    margins = ordered[-1] - ordered[-2]
    passages = first_passages(corpus)
    wins = {}
    for number, name in enumerate(names):
        rows = np.flatnonzero((values[number] == ordered[-1]) & (margins > 0))
        clearest = rows[np.argsort(-margins[rows], kind="stable")][:count]
        shown = [_won(results, int(row), name, float(margins[row]), passages) for row in clearest]
        wins[name] = Wins(len(rows), shown)
    return wins


def _won(results: Results, row: int, winner: str, margin: float, passages: Mapping[str, str]) -> WonQuery:
    query_id = results.scores[winner].query_ids[row]
    judged = results.benchmark.qrels[query_id]
    ranks = {name: best_rank(trec_run.get(query_id, {}), judged) for name, trec_run in results.trec_runs.items()}
    document = ranks[winner][1]
    return WonQuery(
        query_id=query_id,
        query=results.benchmark.queries[query_id],
        document_id=document,
        passage=excerpt(passages.get(document, "")),
        margin=margin,
        ranks={name: rank for name, (rank, _) in ranks.items()},
    )
