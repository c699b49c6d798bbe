"""A hit says how words and meaning rank it, which terms of the question it has, and where the other model had it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.order import Vectors
from engine.search.systems import DenseSystem
from engine.text.words import words
from eval.page.explained import Placed, Searches, Words, explained_table
from eval.retrieval.corpus import Corpus

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


def searches(weight: float) -> Searches:
    index = Bm25Index(CORPUS.passage_ids, CORPUS.encoded_texts())
    by_words = Words(index, weight, words) if weight else None
    return Searches(CORPUS, by_words, model("base", EAST), model("tuned", NORTH))


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
