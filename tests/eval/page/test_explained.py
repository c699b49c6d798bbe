"""A hit says how words and meaning rank it, which terms of the question it has, and where the other model had it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.metadata import Metadata
from engine.search.order import Scores, Vectors
from engine.search.systems import DenseSystem
from engine.text.words import words
from eval.page.explained import Asked, Placed, Reranker, Searches, Words, explained_table
from eval.retrieval.corpus import Corpus

FIELDS = Metadata(pa.table({"source": pa.array(["faq", "manual", "faq"], pa.large_string()), "stars": [1, 1, 5]}))
CORPUS = Corpus(["a", "b", "c"], ["a", "b", "c"], ["", "Pears", ""], ["apples are red", "pears are green", "apples"])
NORTH, EAST = [1.0, 0.0], [0.0, 1.0]


@dataclass
class OneVector:
    """An encoder for which every question is the same."""

    vector: list[float]

    def encode_queries(self, texts: list[str]) -> Vectors:
        return np.array([self.vector] * len(texts), np.float32)


def model(name: str, question: list[float]) -> DenseSystem:
    """A model that has `a` in the north, `b` in the east, and `c` between them, nearer to `a`."""
    vectors = np.array([NORTH, EAST, [0.8, 0.6]], np.float32)
    return DenseSystem(name, OneVector(question), DenseIndex(CORPUS.passage_ids, vectors))  # type: ignore[arg-type]


def searches(weight: float, asked: Asked | None = None, reranker: Reranker | None = None) -> Searches:
    index = Bm25Index(CORPUS.passage_ids, CORPUS.encoded_texts())
    by_words = Words(index, weight, words) if weight else None
    return Searches(CORPUS, by_words, model("base", EAST), model("tuned", NORTH), reranker, asked or Asked())


def test_each_search_says_where_it_has_the_passage() -> None:
    first, second, third = searches(0.6).explain("red apples", 3)
    assert (first.row, {second.row, third.row}) == (0, {1, 2})
    pears = second if second.row == 1 else third
    assert (first.meaning, pears.meaning) == (Placed(0.0, 3), Placed(1.0, 1))
    assert first.words
    assert (first.words.rank, pears.words) == (1, Placed(0.0, 3))
    assert first.words.score > 0
    assert (first.terms, pears.terms) == (["red", "apples"], [])
    assert (first.other_rank, pears.other_rank) == (1, 3)


def test_without_words_meaning_alone_is_told() -> None:
    first, second = searches(0.0).explain("red apples", 2)
    assert (first.row, second.row) == (1, 2)
    assert first.score == first.meaning.score == 1.0
    assert (first.words, first.terms) == (None, [])


def test_words_alone_find_no_more_than_what_matches() -> None:
    assert [hit.row for hit in searches(1.0).explain("red apples", 3)] == [0, 2]
    assert [hit.row for hit in searches(1.0).explain("green", 3)] == [1]


def test_the_table_tells_it_in_lines() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(explained_table(searches(0.6), "red [apples]", 3, "base + words, weight 0.60"))
    text = capture.get()
    for part in (
        "red [apples]",
        "meaning (base) 1.000, #1",
        "#1: red, apples",
        "words: none in common",
        "after tuning (tuned): #3",
        "searched by base + words, weight 0.60",
    ):
        assert part in text, part


def test_only_passages_that_meet_a_condition_are_found() -> None:
    asked = Asked(FIELDS, where=["source=faq"])
    hits = searches(0.6, asked).explain("red apples", 3)
    assert [hit.row for hit in hits] == [0, 2]
    assert [hit.factor for hit in hits] == [None, None]
    assert asked.in_words() == ["where.source=faq: 2 of 3 passages"]


def test_what_is_boosted_goes_first_and_says_by_how_much() -> None:
    plain = searches(0.0).explain("red apples", 3)
    assert [hit.row for hit in plain] == [1, 2, 0]
    asked = Asked(FIELDS, boost=["stars>=5:3"])
    hits = searches(0.0, asked).explain("red apples", 3)
    assert [hit.row for hit in hits] == [2, 1, 0]
    assert [hit.factor for hit in hits] == pytest.approx([3, 1, 1])
    assert asked.in_words() == ["boost.stars>=5:3"]
    console = Console(width=120)
    with console.capture() as capture:
        console.print(explained_table(searches(0.0, asked), "red apples", 1, "base"))
    assert "boosted by 3.00" in capture.get()


class Shortest:
    """Scores a short passage above a long one."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        assert len(queries) == len(passages)
        return np.array([-len(passage) for passage in passages], np.float32)


def test_a_reranker_orders_what_may_be_found() -> None:
    reranker = Reranker(Shortest(), depth=2)
    assert [hit.row for hit in searches(0.0, reranker=reranker).explain("red apples", 3)] == [2, 1, 0]
    filtered = searches(0.0, Asked(FIELDS, where=["source=manual"]), reranker)
    assert [(hit.row, hit.score) for hit in filtered.explain("red apples", 3)] == [(1, -len("Pears\npears are green"))]
