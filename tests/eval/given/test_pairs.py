"""Held-out pairs are a benchmark among all held-out passages, told by their texts; draws say what they left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from eval.given import pairs
from eval.given.pairs import passage_id, read_pairs
from eval.given.rows import draw_examples
from tests.support.given import labelled_rows, write_given

HELD = {"split": "validation", "document_id": "doc"}


def test_equal_texts_are_one_passage_and_equal_queries_one_query(tmp_path: Path) -> None:
    rows = [
        {"query": "Q  \u00f6ne", "passage": "first passage", **HELD},
        {"query": "q o\u0308ne", "passage": "second passage", **HELD},
        {"query": "q two", "passage": "first  passage", "split": "validation", "document_id": "other"},
        {"query": "trained", "passage": "trained passage", "split": "train"},
    ]
    held = read_pairs(ExamplesFolder(write_given(tmp_path / "x", Form.pairs, rows)), 0)
    first, second = passage_id("first passage"), passage_id("second passage")
    assert held.benchmark.queries == {"sample-0": "Q \u00f6ne", "sample-2": "q two"}
    assert held.benchmark.qrels == {"sample-0": {first: 1, second: 1}, "sample-2": {first: 1}}
    assert held.documents == {"sample-0": "doc", "sample-2": "other"}
    assert set(held.corpus.passage_ids) == {first, second}
    assert held.all_passages == 2


def test_a_draw_searches_all_passages_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"query": f"q{n}", "passage": f"p{n}", **HELD} for n in range(20)]
    folder = ExamplesFolder(write_given(tmp_path / "x", Form.pairs, rows))
    held = read_pairs(folder, 5)
    assert (len(held.benchmark.queries), held.benchmark.left_out) == (5, {"max_held_out": 15})
    assert len(held.corpus.passage_ids) == 20
    monkeypatch.setattr(pairs, "MOST_PASSAGES", 8)
    small = read_pairs(folder, 5)
    assert (len(small.corpus.passage_ids), small.all_passages) == (8, 20)
    assert small.benchmark.relevant_documents() <= set(small.corpus.passage_ids), "no query is without its answer"


def test_answers_in_rows_that_were_not_drawn_are_answers(tmp_path: Path) -> None:
    rows = [{"query": "q", "passage": f"p{n}", **HELD} for n in range(6)]
    held = read_pairs(ExamplesFolder(write_given(tmp_path / "x", Form.pairs, rows)), 1)
    assert [set(answers) for answers in held.benchmark.qrels.values()] == [{passage_id(f"p{n}") for n in range(6)}]


def test_what_was_not_drawn_is_counted_by_queries_as_what_was(tmp_path: Path) -> None:
    rows = [{"query": f"q{n // 4}" + " " * (n % 4), "passage": f"p{n}", **HELD} for n in range(40)]
    folder = ExamplesFolder(write_given(tmp_path / "x", Form.pairs, rows))
    for limit in (1, 6, 25, 39):
        benchmark = read_pairs(folder, limit).benchmark
        assert len(benchmark.queries) + sum(benchmark.left_out.values()) == 10
    assert not read_pairs(folder, 0).benchmark.left_out


def test_negatives_of_triplets_are_searched_too(tmp_path: Path) -> None:
    rows = [{"query": "q", "passage": "p", "negative": "n", **HELD}]
    held = read_pairs(ExamplesFolder(write_given(tmp_path / "x", Form.triplets, rows)), 0)
    assert held.corpus.texts == ["p", "n"]


def test_rows_of_any_form_are_drawn(tmp_path: Path) -> None:
    folder = ExamplesFolder(write_given(tmp_path / "x", Form.labelled, labelled_rows(30, several=True)))
    table, total = draw_examples(folder, ["text", "labels"], "validation", 6)
    assert (len(table), total) == (6, 15)
    assert table["sample_id"].to_pylist() == sorted(table["sample_id"].to_pylist())
    assert draw_examples(folder, ["labels"], "", 0)[1] == 30
