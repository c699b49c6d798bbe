"""Marks become a collection that the report and `collection=` read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.collection import check_against_documents, load_collection
from eval.judging.judged import count_marks, judge_documents, write_judged
from eval.judging.pool import Pool, Result
from eval.retrieval.benchmark import load_benchmark
from tests.support.pools import QUERIES, small_pool

POOL = small_pool()
MARKS = {("q1", "bread#2"): 1, ("q2", "milk"): 2, ("q3", "salt"): 0}


def test_the_report_reads_what_was_marked(tmp_path: Path) -> None:
    write_judged(tmp_path / "judged", POOL, MARKS)
    benchmark = load_benchmark(str(tmp_path / "judged"), "test")
    assert benchmark is not None
    assert benchmark.queries == {"q1": QUERIES["q1"], "q2": QUERIES["q2"]}
    assert benchmark.qrels == {"q1": {"bread": 1}, "q2": {"milk": 2}}
    assert benchmark.left_out == {"no relevant document": 1}, "q3 was marked, and nothing answers it"


def test_a_collection_is_read_too_and_says_nothing_of_it(tmp_path: Path) -> None:
    write_judged(tmp_path, POOL, MARKS)
    assert load_collection(tmp_path, "test").qrels["q3"] == {"salt": 0}
    assert list(check_against_documents(tmp_path, "test", None)) == []


def test_a_second_reading_replaces_the_first(tmp_path: Path) -> None:
    write_judged(tmp_path, POOL, MARKS)
    write_judged(tmp_path, POOL, {("q3", "salt"): 2})
    assert load_collection(tmp_path, "test").queries == {"q3": QUERIES["q3"]}


@pytest.mark.parametrize("document", ["a\tb", "a\nb", "a\rb"])
def test_an_id_with_a_tab_or_a_line_break_is_kept(tmp_path: Path, document: str) -> None:
    odd = Pool({"q": "query"}, [Result("q", "passage", document, "", "")], 3)
    for pool, marks, there in (
        (POOL, MARKS, "test.tsv"),
        (odd, {("q", "passage"): 2}, "test.jsonl"),
        (POOL, MARKS, "test.tsv"),
    ):
        write_judged(tmp_path, pool, marks)
        assert [file.name for file in (tmp_path / "qrels").iterdir()] == [there], "that of an earlier reading is gone"
        assert load_collection(tmp_path, "test").qrels == judge_documents(pool, marks)


def test_a_document_has_the_largest_grade_of_its_passages() -> None:
    results = [Result("q", f"d#{number}", "d", "", "") for number in range(3)]
    pool = Pool({"q": "query"}, results, 3)
    assert judge_documents(pool, {("q", "d#0"): 0, ("q", "d#2"): 2}) == {"q": {"d": 2}}


def test_what_is_not_marked_is_unjudged() -> None:
    share = count_marks(POOL, MARKS)
    assert (share.marked, share.results, share.queries) == (3, len(POOL.results), 3)
    assert share.grades == {0: 1, 1: 1, 2: 1}
    assert (share.answered, share.unanswered) == (2, 1)
    assert share.partly == 1, "q1 has results that nobody marked, q2 has none"
    assert count_marks(POOL, dict.fromkeys(POOL.by_pair, 1)).partly == 0
