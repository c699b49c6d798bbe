"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.retrieval.benchmark import Benchmark
from eval.retrieval.metrics import Run, Scores, evaluate
from eval.retrieval.systems import Corpus, FoundScores, Rows, Search, System

FoundOne = tuple[Rows, FoundScores]
"""Document numbers and scores of one query, best first."""


@dataclass(frozen=True)
class Results:
    """What all systems reached on one benchmark; `runs` and `scores` by system name."""

    benchmark: Benchmark
    runs: Mapping[str, Run]
    scores: Mapping[str, Scores]


def measure(benchmark: Benchmark, systems: Sequence[System], corpus: Corpus, k: int) -> Results:
    """Ranks `k` documents per query with every system and scores the rankings."""
    runs = {system.name: rank_documents(system, benchmark, corpus, k) for system in systems}
    return Results(benchmark, runs, {name: evaluate(run, benchmark.qrels) for name, run in runs.items()})


def rank_documents(system: System, benchmark: Benchmark, corpus: Corpus, k: int) -> Run:
    """The `k` best documents of every query, with scores.

    Searches deeper until the passages found belong to enough documents, so that MaxP is exact. A document whose id is
    the query's own is left out unless it is judged relevant (BEIR's rule for collections whose queries are documents
    themselves; the exception keeps collections that merely number both from 1).
    """
    if not benchmark.queries:
        return {}
    number = {name: index for index, name in enumerate(dict.fromkeys(corpus.document_ids))}
    of_passage = np.array([number[name] for name in corpus.document_ids])
    names = list(number)
    search = system.prepare(list(benchmark.queries.values()))
    run = {}
    for query_id, found in zip(benchmark.queries, search_documents(search, of_passage, k + 1), strict=True):
        scored = {names[document]: float(score) for document, score in zip(*found, strict=True)}
        if benchmark.qrels[query_id].get(query_id, 0) <= 0:
            scored.pop(query_id, None)
        run[query_id] = dict(itertools.islice(scored.items(), k))
    return run


def search_documents(search: Search, of_passage: Rows, count: int) -> list[FoundOne]:
    """Per query, at least the `count` best documents (fewer where there are no more) and their scores.

    Args:
        search: finds passages.
        of_passage: the number of each passage's document, shape (passages,).
        count: documents wanted.
    """
    depth = min(count, len(of_passage))
    while True:
        rows, scores = search(depth)
        found = [best_passages(of_passage, *one) for one in zip(rows, scores, strict=True)]
        short = [len(documents) < count and (row >= 0).all() for (documents, _), row in zip(found, rows, strict=True)]
        if depth == len(of_passage) or not any(short):
            return found
        depth = min(2 * depth, len(of_passage))


def best_passages(of_passage: Rows, rows: Rows, scores: FoundScores) -> FoundOne:
    """Each document once, with the score of its best passage, best first.

    Args:
        of_passage: the number of each passage's document, shape (passages,).
        rows: passages of one query, best first, shape (depth,); -1 is no passage.
        scores: theirs, same shape.
    """
    scores, documents = scores[rows >= 0], of_passage[rows[rows >= 0]]
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first], scores[first]
