"""A pool is the union of what systems find, in an order that tells nothing of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.search.systems import known_search
from eval.judging.pool import best_passages, make_pool, read_pool, write_pool
from tests.support.pools import QUERIES, small_corpus, small_pool
from tests.support.small_run import small_systems


def test_a_pool_is_the_union_of_the_best_documents_of_every_system() -> None:
    corpus = small_corpus()
    pool = small_pool(depth=2)
    for query_id, query in QUERIES.items():
        found = {
            corpus.passage_ids[row]
            for system in small_systems(corpus)
            for row in best_passages(system.prepare([query]), corpus, 2)[0]
        }
        pooled = [result.passage_id for result in pool.results_of(query_id)]
        assert set(pooled) == found
        assert len(pooled) == len(set(pooled)), "no result stands twice"
    assert len(pool.results) == sum(len(pool.results_of(query_id)) for query_id in QUERIES)


def test_documents_are_counted_and_each_is_there_by_its_best_passage() -> None:
    corpus = small_corpus()

    rows = np.array([[1, 0, 3, 2, -1]])
    search = known_search((rows, np.ones(rows.shape, np.float32)))
    assert best_passages(search, corpus, 2) == [[1, 3]], "rows 0 and 1 are of one document"
    assert best_passages(search, corpus, 9) == [[1, 3, 2]], "there are no more"


def test_neither_the_order_of_systems_nor_that_of_queries_changes_a_pool() -> None:
    corpus = small_corpus()
    turned = make_pool(small_systems(corpus)[::-1], corpus, dict(reversed(QUERIES.items())), 2, 0)
    assert turned == small_pool()
    assert turned.name == small_pool().name


def test_the_order_is_not_that_of_a_system() -> None:
    corpus = small_corpus()
    systems = small_systems(corpus)[:1]
    pools = [make_pool(systems, corpus, {"q": "keeps"}, 4, seed) for seed in range(20)]
    orders = {tuple(result.passage_id for result in pool.results) for pool in pools}
    assert len(orders) > 5
    assert len({frozenset(order) for order in orders}) == 1, "what is pooled does not hang on the seed"


def test_the_name_is_that_of_the_content() -> None:
    assert small_pool(seed=1).name != small_pool().name
    assert small_pool(depth=1).name != small_pool().name


def test_a_pool_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_pool(tmp_path, small_pool())
    assert read_pool(tmp_path) == small_pool()
    assert read_pool(tmp_path).name == small_pool().name
