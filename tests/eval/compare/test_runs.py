"""A run is read with its settings, and its queries are known by text and judgements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from eval.compare.runs import JUDGED, Query, names_of, read_run
from eval.report import HELD_OUT, RerankerGain
from eval.significance import DifferenceFigures
from tests.support.compared import write_finished_run
from tests.support.small_run import small_benchmark


def test_a_run_is_read_with_settings_and_queries(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path, "seed: 3\nrun_dir: here\nmodel: {epochs: 2, base: null}\n")
    read = read_run(str(run), "first")
    assert read.settings == {"seed": "3", "model.epochs": "2", "model.base": "None"}
    assert read.advised == "base_words"
    judged, held_out = read.sets[JUDGED], read.sets[HELD_OUT]
    assert (judged.name, held_out.name) == ("tiny", HELD_OUT)
    assert {query.text for query in judged.queries} == set(small_benchmark().queries.values())
    assert not judged.sources
    assert set(held_out.sources) == held_out.queries
    assert set(held_out.sources.values()) <= {"kites", "knots", "maps", "tea", "wool"}
    assert set(judged.reached) == {"bm25", "base", "tuned", "base_words", "tuned_words"}


@pytest.mark.parametrize(("low", "advised"), [(0.001, "base_words@30@trained"), (-0.001, "base_words")])
def test_a_reranker_that_a_report_recommends_is_a_part_of_its_advice(tmp_path: Path, low: float, advised: str) -> None:
    read = read_run(str(write_finished_run(tmp_path)), "first")
    assert read.report.recommendation
    gain = RerankerGain(30, DifferenceFigures(0.02, (low, 0.04), 0.04))
    report = replace(read.report, recommendation=replace(read.report.recommendation, reranker=gain))
    assert replace(read, report=report).advised == advised


def test_figures_of_a_query_are_those_of_the_report(tmp_path: Path) -> None:
    read = read_run(str(write_finished_run(tmp_path)), "first")
    for system, reached in read.sets[JUDGED].reached.items():
        mean = sum(one.values["ndcg@10"] for one in reached.values()) / len(reached)
        assert read.report.recommendation
        assert mean == pytest.approx(read.report.recommendation.systems[system].mean)


def test_names_are_short_unless_two_are_the_same() -> None:
    assert names_of(["runs/a", "runs/b/"]) == ["a", "b"]
    assert names_of(["here/a", "there/a", "c"]) == ["here/a", "there/a", "c"]


def test_equal_queries_are_counted() -> None:
    assert Query("a", "x", 0) < Query("a", "x", 1)


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no run folder"):
        read_run(str(tmp_path), "first")
    run = write_finished_run(tmp_path)
    (run / "report").unlink()
    with pytest.raises(UserError, match=r"the run has no finished report; run it to its end first"):
        read_run(str(run), "first")
