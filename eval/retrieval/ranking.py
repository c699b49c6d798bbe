"""Ranks documents with every system, and scores the rankings.

In: a benchmark, systems, and the passages that they search. Out: a TREC run of documents per system, and its scores.
Passages are what is searched, documents are what is judged: a document scores as its best passage (MaxP, Dai and
Callan 2019).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.order import Ranking, Rows
from engine.search.order import Scores as PassageScores
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.metrics import Scores, TrecRun, evaluate
from eval.retrieval.systems import Corpus, Search, System


@dataclass(frozen=True)
class Results:
    """The results of all systems on one benchmark.

    Attributes:
        benchmark: the queries and their judgements.
        trec_runs: the documents that each system ranked, by its name.
        scores: the values per query of each system, by its name.
    """

    benchmark: Benchmark
    trec_runs: Mapping[str, TrecRun]
    scores: Mapping[str, Scores]


def measure(benchmark: Benchmark, systems: Sequence[System], corpus: Corpus, k: int) -> Results:
    """Ranks `k` documents per query with every system and scores the rankings."""
    trec_runs = {system.name: rank_documents(system, benchmark, corpus, k) for system in systems}
    scores = {name: evaluate(trec_run, benchmark.qrels) for name, trec_run in trec_runs.items()}
    return Results(benchmark, trec_runs, scores)


def rank_documents(system: System, benchmark: Benchmark, corpus: Corpus, k: int) -> TrecRun:
    """Ranks the `k` best documents of every query, with scores.

    It searches deeper until the passages belong to enough documents, so that MaxP is exact. A document that has the id
    of the query is left out unless it is judged relevant (BEIR's rule for collections whose queries are documents
    themselves; the exception keeps collections that merely number both from 1).
    """
    if not benchmark.queries:
        return {}
    number = {name: index for index, name in enumerate(dict.fromkeys(corpus.document_ids))}
    of_passage = np.array([number[name] for name in corpus.document_ids])
    names = list(number)
    search = system.prepare(list(benchmark.queries.values()))
    trec_run = {}
    for query_id, ranked in zip(benchmark.queries, search_documents(search, of_passage, k + 1), strict=True):
        scored = {names[document]: float(score) for document, score in zip(*ranked, strict=True)}
        if benchmark.qrels[query_id].get(query_id, 0) <= 0:
            scored.pop(query_id, None)
        trec_run[query_id] = dict(itertools.islice(scored.items(), k))
    return trec_run


def search_documents(search: Search, of_passage: Rows, count: int) -> list[Ranking]:
    """Finds per query the numbers and scores of at least the `count` best documents; fewer where there are no more.

    Args:
        search: finds passages.
        of_passage: the number of each passage's document, shape (passages,).
        count: number of documents to find.
    """
    depth = min(count, len(of_passage))
    while True:
        rows, scores = search(depth)
        documents = [best_passages(of_passage, *passages) for passages in zip(rows, scores, strict=True)]
        short = [len(numbers) < count and (row >= 0).all() for (numbers, _), row in zip(documents, rows, strict=True)]
        if depth == len(of_passage) or not any(short):
            return documents
        depth = min(2 * depth, len(of_passage))


def best_passages(of_passage: Rows, rows: Rows, scores: PassageScores) -> Ranking:
    """Returns numbers of documents, each once, and the scores of their best passages, best first, (documents,) each.

    Args:
        of_passage: the number of each passage's document, shape (passages,).
        rows: passages of one query, best first, shape (depth,); -1 is no passage.
        scores: their scores, same shape.
    """
    scores, documents = scores[rows >= 0], of_passage[rows[rows >= 0]]
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first], scores[first]
