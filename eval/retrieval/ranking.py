"""Ranks documents with every system, and scores the rankings.

In: a benchmark, systems, and the passages that they search. Out: a TREC run of documents per system, and its scores.
Passages are what is searched, documents are what is judged: a document scores as its best passage (MaxP, Dai and
Callan 2019). Queries that were written from documents are ranked by texts: what a passage of the source says is the
source wherever it stands, and what several other documents say counts once. Judged queries go by ids, as trec_eval has
it: whoever judged them may have judged one copy relevant and not the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.search.order import Ranking, Rows
from engine.search.order import Scores as PassageScores
from engine.search.systems import ALL, Numbers, Search, System
from eval.counting import counting
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import Scores, TrecRun, evaluate

if TYPE_CHECKING:
    from engine.runtime.console import Console

Owner = Callable[[int, Rows], Rows]
"""Takes the number of a query and rows of passages, and gives the numbers of the documents that these count for."""


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


def measure(
    benchmark: Benchmark, systems: Sequence[System], corpus: Corpus, k: int, *, console: Console | None = None
) -> Results:
    """Ranks `k` documents per query with every system and scores the rankings.

    Args:
        benchmark: the queries and their judgements.
        systems: what ranks.
        corpus: the passages that are searched.
        k: the number of documents ranked per query.
        console: is told how many systems have ranked; None tells nobody.
    """
    trec_runs = {}
    queries = "synthetic" if benchmark.sources else "judged"
    with counting(console, len(systems) if benchmark.queries else 0, f"systems ({queries} queries)") as advance:
        for system in systems:
            trec_runs[system.name] = rank_documents(system, benchmark, corpus, k)
            advance()
    scores = {name: evaluate(trec_run, benchmark.qrels) for name, trec_run in trec_runs.items()}
    return Results(benchmark, trec_runs, scores)


def rank_documents(system: System, benchmark: Benchmark, corpus: Corpus, k: int) -> TrecRun:
    """Ranks the `k` best documents of every query, with scores.

    It searches deeper until the passages belong to enough documents, so that MaxP is exact. A document that has the id
    of the query is left out unless it is judged relevant (BEIR's rule for collections whose queries are documents
    themselves; the exception keeps collections that merely number both from 1). For a query without words, which
    filters may let pass, no document is ranked: what a system finds for it is chance.
    """
    if not benchmark.queries:
        return {}
    names = list(corpus.number_of)
    search = system.prepare(list(benchmark.queries.values()))
    found = search_documents(search, owner_of_passages(benchmark, corpus), corpus, k + 1)
    trec_run: dict[str, dict[str, float]] = {}
    for (query_id, text), ranked in zip(benchmark.queries.items(), found, strict=True):
        if not text.strip():
            trec_run[query_id] = {}
            continue
        scored = {names[document]: float(score) for document, score in zip(*ranked, strict=True)}
        if benchmark.qrels[query_id].get(query_id, 0) <= 0:
            scored.pop(query_id, None)
        trec_run[query_id] = dict(itertools.islice(scored.items(), k))
    return trec_run


def owner_of_passages(benchmark: Benchmark, corpus: Corpus) -> Owner:
    """Tells whose passages are: their documents', or for synthetic queries those that equal texts make of them.

    Then a text of the query's source is the source's, and any other the first document's that holds it.
    """
    if not benchmark.sources:
        return lambda _, rows: corpus.document_of[rows]
    texts = corpus.equal_texts
    sources = np.array([corpus.number_of.get(benchmark.sources[name], -1) for name in benchmark.queries], np.int64)

    def owner(query: int, rows: Rows) -> Rows:
        found, source = texts.text_of[rows], sources[query]
        return np.where(texts.are_in(found, source), source, corpus.document_of[texts.first[found]])

    return owner


def search_documents(search: Search, owner: Owner, corpus: Corpus, count: int) -> list[Ranking]:
    """Finds per query the numbers and scores of at least the `count` best documents; fewer where there are no more.

    The first search is as deep as it has to be where the passages that are found are spread over documents as all are.

    Args:
        search: finds passages.
        owner: the document that a passage counts for.
        corpus: the passages that are searched.
        count: number of documents to find.
    """
    num_passages = len(corpus.passage_ids)
    depth = min(count * -(-num_passages // max(1, len(corpus.number_of))), num_passages)
    documents: dict[int, Ranking] = {}

    def is_short(query: int, rows: Rows, scores: PassageScores) -> bool:
        documents[query] = best_passages(owner(query, rows), scores)
        return len(documents[query][0]) < count

    search_until_enough(search, depth, num_passages, is_short)
    return [documents[query] for query in range(len(documents))]


def search_until_enough(
    search: Search, depth: int, num_passages: int, is_short: Callable[[int, Rows, PassageScores], bool]
) -> None:
    """Searches for all queries, and twice as deep, again and again, for those alone that lack something.

    One query beside a text that stands in thousands of passages then costs a deep search, and not one for every query.

    Args:
        search: finds passages.
        depth: how deep it searches first.
        num_passages: the number of passages, where no search can go deeper.
        is_short: takes the number of a query, and the rows and scores that were found for it, and tells whether it
            needs more. It is asked again where more was found.
    """
    numbers: Numbers = ALL
    queries: list[int] | None = None
    while queries is None or queries:
        rows, scores = search(depth, numbers)
        searched = range(len(rows)) if queries is None else queries
        is_found = rows >= 0
        queries = [
            query
            for place, query in enumerate(searched)
            if is_short(query, rows[place, is_found[place]], scores[place, is_found[place]]) and is_found[place].all()
        ]
        if depth == num_passages:
            return
        depth, numbers = min(2 * depth, num_passages), np.array(queries, np.int64)


def best_passages(documents: Rows, scores: PassageScores) -> Ranking:
    """Returns numbers of documents, each once, and the scores of their best passages, best first, (documents,) each.

    Args:
        documents: the documents of the passages found for one query, best first, shape (depth,).
        scores: the scores of these passages, same shape.
    """
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first], scores[first]
