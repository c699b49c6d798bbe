"""A run is read with its settings, and its queries are known by text and judgements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.storage.run_folders import EARLIER
from eval.compare.runs import Query, names_of, read_run
from eval.crossfit import COLUMN
from eval.report import HELD_OUT, JUDGED, UNIT, RerankerGain
from eval.significance import DifferenceFigures
from tests.support.compared import choosing_by_folds, named_held_out, with_copies, write_finished_run
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


def test_a_report_of_an_earlier_config_is_not_compared(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path)
    (run / EARLIER).write_text("report\n")
    with pytest.raises(UserError, match="its report is of an earlier config, and its settings are the new ones"):
        read_run(str(run), "first")


@pytest.mark.parametrize(("low", "advised"), [(0.001, "base_words@30@trained"), (-0.001, "base_words")])
def test_a_reranker_that_a_report_recommends_is_a_part_of_its_advice(tmp_path: Path, low: float, advised: str) -> None:
    read = read_run(str(write_finished_run(tmp_path)), "first")
    assert read.report.recommendation
    gain = RerankerGain(30, DifferenceFigures(0.02, (low, 0.04), 0.04))
    report = replace(read.report, recommendation=replace(read.report.recommendation, reranker=gain))
    assert replace(read, report=report).advised == advised


def test_what_a_query_counts_is_what_it_counts_in_the_report(tmp_path: Path) -> None:
    read = read_run(str(write_finished_run(tmp_path, change=choosing_by_folds)), "first")
    known = read.report.recommendation
    assert known
    differ = []
    for system, reached in read.sets[JUDGED].reached.items():
        mean = sum(one.counts("ndcg@10") for one in reached.values()) / len(reached)
        plain = sum(one.values["ndcg@10"] for one in reached.values()) / len(reached)
        figures = known.systems[system]
        assert mean == pytest.approx(figures.mean)
        assert read.sets[JUDGED].is_crossfitted(system) == (figures.seen is not None)
        assert plain == pytest.approx(figures.mean if figures.seen is None else figures.seen)
        differ += [system] if plain != pytest.approx(mean) else []
        assert all(one.counts("mrr@10") == one.values["mrr@10"] for one in reached.values())
    assert "base_words" in differ, "or the test says nothing"
    assert set(differ) <= {"base_words", "tuned_words"}
    assert not read.is_flattered
    assert [read.weight_of(name) for name in ("base", "tuned_words", "base_words@50@trained")] == [None, 0.3, 0.3]


def test_a_report_from_before_queries_had_cross_fitted_values_is_read_and_told(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path, change=choosing_by_folds)
    file = run / "report" / "per_query.parquet"
    pq.write_table(pq.read_table(file).drop_columns([COLUMN]), file)
    read = read_run(str(run), "first")
    assert read.is_flattered
    assert not any(read.sets[JUDGED].is_crossfitted(system) for system in read.sets[JUDGED].reached)
    known = read.report.recommendation
    assert known
    plain = replace(known, folds=0, systems={name: replace(each, seen=None) for name, each in known.systems.items()})
    older = replace(read, report=replace(read.report, recommendation=plain))
    assert not older.is_flattered, "before figures were cross-fitted, those of queries were no others"


def test_queries_of_copies_are_drawn_together_as_in_the_report(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path, change=with_copies)
    documents = {"kites", "knots", "maps", "tea", "wool"}
    assert set(read_run(str(run), "first").sets[HELD_OUT].sources.values()) == documents - {"wool"}
    file = run / "report" / "per_query.parquet"
    pq.write_table(pq.read_table(file).drop_columns([UNIT]), file)
    older = read_run(str(run), "first")
    assert set(older.sets[HELD_OUT].sources.values()) == documents, "what an older report says of its queries"


def test_judged_questions_of_a_folder_that_is_named_held_out_are_judged_ones(tmp_path: Path) -> None:
    read = read_run(str(write_finished_run(tmp_path, change=named_held_out)), "first")
    plain = read_run(str(write_finished_run(tmp_path / "plain")), "second")
    assert {kind: queries.queries for kind, queries in read.sets.items()} == {
        kind: queries.queries for kind, queries in plain.sets.items()
    }
    assert read.sets[JUDGED].name == HELD_OUT
    assert not read.sets[JUDGED].sources


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
