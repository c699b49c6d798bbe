"""Synthetic queries with fewer of the words that they share with their document.

In: queries that were written from documents. Out: the same queries without some of these words. A generator sees the
document that it asks about, so that its queries repeat the document's words more than those of people do. Systems that
go by words look better on them than they are. How they do on thinned queries tells how much.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.text.words import runs
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus

_LETTERS = 2
"""The letters that stand for a word in scripts without spaces between words, as they do for BM25."""


def thinned(
    benchmark: Benchmark, corpus: Corpus, terms_of: Callable[[str], Sequence[str]], share: float, seed: int = 0
) -> Benchmark:
    """Leaves out a share of the words that a query has in common with the documents that answer it.

    Words without a term, such as stop words, stay. A query of shared words alone may become empty. Words are parted by
    blanks; a run of letters in a script without spaces counts as words of two letters each.

    Args:
        benchmark: queries with at least one relevant document each.
        corpus: the texts of the documents.
        terms_of: gives the terms of a text: words that have one in common are the same.
        share: the probability of each shared word to be left out; draws depend on the query's id, not on its place.
        seed: seed of the draws.
    """
    if not share:
        return benchmark
    answers = benchmark.relevant_documents()
    terms: dict[str, set[str]] = {name: set() for name in answers}
    for name, text in zip(corpus.document_ids, corpus.encoded_texts(), strict=True):
        if name in answers:
            terms[name].update(terms_of(text))
    queries = {}
    for query_id, query in benchmark.queries.items():
        draws = random.Random(f"{seed} {share} {query_id}")
        relevant = [name for name, grade in benchmark.qrels[query_id].items() if grade > 0]
        shared = set().union(*(terms[name] for name in relevant))
        queries[query_id] = _thinned(query, shared, terms_of, share, draws)
    return replace(benchmark, queries=queries)


def _thinned(
    query: str, shared: set[str], terms_of: Callable[[str], Sequence[str]], share: float, draws: random.Random
) -> str:
    """Leaves out shared words of one query; a gap in a run of letters is a blank, so that its sides stay apart."""
    texts = [
        "".join(word if shared.isdisjoint(terms_of(word)) or draws.random() >= share else " " for word in run)
        for token in query.split()
        for run in _runs(token)
    ]
    return " ".join(" ".join(texts).split())


def _runs(token: str) -> list[list[str]]:
    """Returns the words of what stands between two blanks, together where nothing parts them."""
    letters = runs(token)
    if all(len(run) == 1 for run in letters):
        return [[token]]
    return [["".join(run[at : at + _LETTERS]) for at in range(0, len(run), _LETTERS)] for run in letters]
