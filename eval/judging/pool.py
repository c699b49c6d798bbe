"""What people are to mark: for each query the best results of every system, together, and in no system's order.

In: systems over a corpus, and queries. Out: a `Pool`, the union of each system's best documents (pooling, Spärck Jones
and van Rijsbergen 1975), each by the passage that it ranks by. Which system found a result is not kept, and the order
is that of a hash, so that nothing on the page hints at either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.search.order import Rows, Scores
from engine.search.systems import Search, System
from engine.storage.digests import digest
from engine.storage.files import write_json
from engine.storage.typed import from_json_values, to_json_values
from engine.text.hashes import text_hash
from eval.retrieval.corpus import Corpus
from eval.retrieval.ranking import search_until_enough

PREFIX = "pool-"
"""The beginning of every pool's name; without it a spreadsheet might read the digits as a number."""
POOL_FILE = "pool.json"


@dataclass(frozen=True)
class Result:
    """One passage that some system found for a query."""

    query_id: str
    passage_id: str
    document_id: str
    title: str
    text: str

    @property
    def pair(self) -> tuple[str, str]:
        """The ids of the query and the passage, by which a mark belongs to it."""
        return self.query_id, self.passage_id


@dataclass(frozen=True)
class Pool:
    """The results to mark.

    Attributes:
        queries: text by query id, in the order of the page.
        results: those of one query together, in the order of the page.
        depth: number of documents that were taken of each system.
    """

    queries: Mapping[str, str]
    results: Sequence[Result]
    depth: int

    @cached_property
    def name(self) -> str:
        """Returns a name that only a pool of the same queries and results in the same order has."""
        rows = [[*result.pair, result.document_id, result.title, result.text] for result in self.results]
        return f"{PREFIX}{digest([list(self.queries.items()), rows])}"

    @cached_property
    def by_pair(self) -> dict[tuple[str, str], Result]:
        """Returns the results by the ids of query and passage."""
        return {result.pair: result for result in self.results}

    def results_of(self, query_id: str) -> list[Result]:
        """Returns the results of one query, in the order of the page."""
        return [result for result in self.results if result.query_id == query_id]


def make_pool(systems: Sequence[System], corpus: Corpus, queries: Mapping[str, str], depth: int, seed: int) -> Pool:
    """Pools the `depth` best documents of every system for every query.

    Args:
        systems: those that are compared, in any order.
        corpus: the passages that they search.
        queries: text by query id.
        depth: number of documents to take of each system.
        seed: of the order of queries and results.
    """
    found: list[set[int]] = [set() for _ in queries]
    for system in systems:
        search = system.prepare(list(queries.values()))
        for rows, best in zip(found, best_passages(search, corpus, depth), strict=True):
            rows.update(best)
    results: list[Result] = []
    by_query = dict(zip(queries, found, strict=True))
    order = sorted(queries, key=lambda query_id: text_hash(f"{seed}\0{query_id}"))
    for query_id in order:
        pooled = [_result(query_id, corpus, row) for row in by_query[query_id]]
        results += sorted(pooled, key=lambda result: text_hash("\0".join((str(seed), *result.pair))))
    return Pool({query_id: queries[query_id] for query_id in order}, results, depth)


def best_passages(search: Search, corpus: Corpus, count: int) -> list[list[int]]:
    """Finds per query the rows of the best passages of the `count` best documents, best first.

    It searches deeper until the passages belong to enough documents, as `ranking.search_documents` does.
    """
    num_passages = len(corpus.passage_ids)
    firsts: dict[int, list[int]] = {}

    def is_short(query: int, passages: Rows, _: Scores) -> bool:
        first = np.sort(np.unique(corpus.document_of[passages], return_index=True)[1])
        firsts[query] = passages[first][:count].tolist()
        return len(firsts[query]) < count

    search_until_enough(search, min(count, num_passages), num_passages, is_short)
    return [firsts[query] for query in range(len(firsts))]


def write_pool(folder: Path, pool: Pool) -> None:
    """Writes pool.json, by which marks are read later."""
    write_json(folder / POOL_FILE, to_json_values(pool))


def read_pool(folder: Path) -> Pool:
    """Reads the pool of a folder."""
    return from_json_values(Pool, json.loads((folder / POOL_FILE).read_text(encoding="utf-8")))


def _result(query_id: str, corpus: Corpus, row: int) -> Result:
    columns = (corpus.passage_ids, corpus.document_ids, corpus.titles, corpus.texts)
    return Result(query_id, *(column[row] for column in columns))
