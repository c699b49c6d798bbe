"""Searches with what was written for a query beside it: fused rewrites, and the mean of vectors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.expanded import HypotheticalSystem, RewrittenSystem
from engine.search.fusion import fuse, standardised
from engine.search.order import Vectors, id_ranks
from engine.search.systems import Bm25System, DenseSystem

TEXTS = {"p1": "bees dance", "p2": "apples in a cellar", "p3": "bread rises", "p4": "a cellar for bees", "p5": "tea"}
IDS = list(TEXTS)
WORDS = Bm25System(Bm25Index(IDS, list(TEXTS.values())))
WRITTEN = {"bees": ["apples", "cellar"], "bread": [], "tea": ["tea apples"]}


def test_a_query_counts_half_and_its_rewrites_the_other_half() -> None:
    queries = list(WRITTEN)
    system = RewrittenSystem("base_with_rewrites", WORDS, WRITTEN.__getitem__, id_ranks(IDS))
    rows, scores = system.prepare(queries)(3)
    for number, query in enumerate(queries):
        texts = [query, *WRITTEN[query]]
        rankings = [WORDS.prepare([text])(100) for text in texts]
        expected, sums = fuse(rankings, [1.0, *[0.5] * len(WRITTEN[query])], standardised, id_ranks(IDS))
        found = rows[number][rows[number] >= 0].tolist()
        assert found == expected[0][: len(found)].tolist()
        assert scores[number][: len(found)] == pytest.approx(sums[0][: len(found)])
    assert rows[1][0] == IDS.index("p3"), "a query for which nothing could be written searches alone"


def test_without_any_rewrite_it_is_the_system_itself() -> None:
    system = RewrittenSystem("x", WORDS, lambda _: [], id_ranks(IDS))
    rows, _ = system.prepare(["bees", "tea"])(1)
    assert rows[:, 0].tolist() == WORDS.prepare(["bees", "tea"])(1)[0][:, 0].tolist()


@dataclass
class Letters:
    """An encoder whose vectors count letters; it tells which texts it read as passages."""

    passages: list[str] = field(default_factory=list)

    def encode_queries(self, texts: list[str]) -> Vectors:
        return np.array([[text.count(letter) for letter in "abt"] for text in texts], np.float32).reshape(-1, 3)

    def encode_passages(self, texts: list[str]) -> Vectors:
        self.passages += texts
        return self.encode_queries(texts)


def test_vectors_of_passages_are_averaged_with_that_of_the_query() -> None:
    encoder = Letters()
    vectors = np.eye(3, dtype=np.float32)
    dense = DenseSystem("base", encoder, DenseIndex(["a", "b", "t"], vectors))  # type: ignore[arg-type]
    system = HypotheticalSystem("base_with_hypothetical", dense, {"a": ["bb", "bbb"], "t": []}.__getitem__)
    rows, scores = system.prepare(["a", "t"])(3)
    assert encoder.passages == ["bb", "bbb"]
    assert scores[0][:2] == pytest.approx([5 / 3, 1 / 3])
    assert rows[:, 0].tolist() == [1, 2]


def test_a_query_that_nothing_was_written_for_is_refused() -> None:
    with pytest.raises(KeyError):
        RewrittenSystem("x", WORDS, WRITTEN.__getitem__, id_ranks(IDS)).prepare(["unknown"])
