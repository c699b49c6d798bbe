"""Runs are compared on what they share, with the first one, and only real differences are called so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from eval.compare.figures import ADVISED, compare_runs, shared_queries, values_of
from eval.compare.runs import ComparedRun, read_run
from eval.report import HELD_OUT, JUDGED, UNIT
from eval.significance import Bootstrap
from tests.support.compared import (
    asking_otherwise,
    choosing,
    choosing_by_folds,
    with_copies,
    without_words,
    write_finished_run,
)

BOOTSTRAP = Bootstrap(500)


@pytest.fixture
def first(tmp_path: Path) -> ComparedRun:
    return read_run(str(write_finished_run(tmp_path / "first")), "first")


def test_a_run_beside_itself_does_not_differ(first: ComparedRun, tmp_path: Path) -> None:
    other = read_run(str(write_finished_run(tmp_path / "other")), "other")
    comparison = compare_runs([first, other], BOOTSTRAP)
    assert [queries.kind for queries in comparison.shared] == [JUDGED, HELD_OUT]
    assert not comparison.settings
    assert list(comparison.same_steps) == ["other"]
    for queries in comparison.shared:
        assert queries.of == {"first": queries.queries, "other": queries.queries}
        for row in queries.rows:
            paired = row.to_first["other"]
            assert (paired.difference.mean, paired.p, paired.p_holm, paired.trend) == (0.0, 1.0, 1.0, "unclear")


def test_differences_are_those_of_the_queries(first: ComparedRun, tmp_path: Path) -> None:
    other = read_run(str(write_finished_run(tmp_path / "other", "seed: 1\n", without_words)), "other")
    comparison = compare_runs([first, other], BOOTSTRAP)
    assert comparison.settings == {"seed": {"first": "0", "other": "1"}}
    judged = comparison.shared[0]
    queries = shared_queries([first, other], JUDGED)
    assert judged.queries == len(queries) == 5
    assert (judged.cluster, judged.clusters) == ("query", 5)
    for row in judged.rows:
        gains = values_of(other, JUDGED, row.system, queries, crossfitted=True) - values_of(
            first, JUDGED, row.system, queries, crossfitted=True
        )
        assert row.to_first["other"].difference.mean == pytest.approx(gains.mean())
    rows = {row.system: row for row in judged.rows}
    assert not rows["base"].to_first["other"].difference.mean
    assert rows["bm25"].to_first["other"].p_holm >= rows["bm25"].to_first["other"].p
    held_out = comparison.shared[1]
    assert held_out.cluster == "document"
    assert held_out.clusters < held_out.queries
    assert {row.system for row in held_out.rows} == {"bm25", "base", "tuned"}, "with words is measured on shown queries"


def test_intervals_are_drawn_by_documents_of_which_copies_are_one(first: ComparedRun, tmp_path: Path) -> None:
    copied, other = (
        read_run(str(write_finished_run(tmp_path / name, "seed: 1\n", with_copies)), name) for name in ("copied", "b")
    )
    clusters = [compare_runs([run, other], BOOTSTRAP).shared[1].clusters for run in (first, copied)]
    assert clusters == [5, 4]


def test_what_one_report_says_of_copies_holds_beside_an_older_one(tmp_path: Path) -> None:
    folders = [write_finished_run(tmp_path / name, "seed: 1\n", with_copies) for name in ("older", "newer")]
    file = folders[0] / "report" / "per_query.parquet"
    pq.write_table(pq.read_table(file).drop_columns([UNIT]), file)
    older, newer = (read_run(str(folder), folder.parent.name) for folder in folders)
    clusters = [compare_runs(runs, BOOTSTRAP).shared[1].clusters for runs in ([older, newer], [newer, older])]
    assert clusters == [4, 4]


def test_what_a_report_shows_cross_fitted_is_compared_cross_fitted(first: ComparedRun, tmp_path: Path) -> None:
    other = read_run(str(write_finished_run(tmp_path / "other", change=choosing_by_folds)), "other")
    comparison = compare_runs([first, other], BOOTSTRAP)
    judged, held_out = comparison.shared
    for row in judged.rows:
        for run in (first, other):
            assert run.report.recommendation
            figures = run.report.recommendation.systems[row.systems[run.name]]
            assert row.means[run.name]["ndcg@10"] == pytest.approx(figures.mean)
            assert row.seen.get(run.name) == (None if figures.seen is None else pytest.approx(figures.seen))
        shown = row.means["other"]["ndcg@10"] - row.means["first"]["ndcg@10"]
        assert row.to_first["other"].difference.mean == pytest.approx(shown)
    rows = {row.system: row for row in judged.rows}
    chosen = rows["base_words"]
    assert chosen.seen["first"] == chosen.seen["other"], "the weight that is handed over is the same"
    assert chosen.to_first["other"].difference.mean, "and what the reports show is not"
    assert chosen.weights == comparison.weights == {"first": 0.3, "other": 0.3}
    assert not rows["base"].seen
    assert not rows["base"].weights
    assert not any(row.seen for row in held_out.rows)
    assert not comparison.flattered


def test_a_system_that_not_all_reports_chose_is_compared_as_it_is(first: ComparedRun, tmp_path: Path) -> None:
    by_folds = read_run(str(write_finished_run(tmp_path / "other", change=choosing_by_folds)), "other")
    other = choosing(by_folds, weight=0.0)
    assert (first.advised, other.advised) == ("base_words", "base")
    queries = shared_queries([first, other], JUDGED)

    def mean(run: ComparedRun, system: str, *, crossfitted: bool) -> float:
        return float(values_of(run, JUDGED, system, queries, crossfitted=crossfitted).mean())

    assert mean(other, "base_words", crossfitted=True) != pytest.approx(mean(other, "base_words", crossfitted=False))
    rows = {row.system: row for row in compare_runs([first, other], BOOTSTRAP).shared[0].rows}
    for system, is_fitted in (("base_words", False), ("tuned_words", True)):
        means = {run.name: mean(run, system, crossfitted=is_fitted) for run in (first, other)}
        row = rows[system]
        assert {run: row.means[run]["ndcg@10"] for run in means} == pytest.approx(means)
        assert row.to_first["other"].difference.mean == pytest.approx(means["other"] - means["first"])
        assert bool(row.seen) is is_fitted
    advised = rows[ADVISED]
    assert advised.means["first"]["ndcg@10"] == pytest.approx(mean(first, "base_words", crossfitted=True))
    assert list(advised.seen) == ["first"]


def test_runs_that_share_no_query_are_refused_in_one_line(first: ComparedRun, tmp_path: Path) -> None:
    other = read_run(str(write_finished_run(tmp_path / "other", change=asking_otherwise)), "other")
    assert shared_queries([first, other], JUDGED) == []
    with pytest.raises(UserError) as error:
        compare_runs([first, other], BOOTSTRAP)
    said = str(error.value)
    assert said.startswith("compare: there is no query that all of them measured: first has 5 judged questions of tiny")
    assert "\n" not in said


def test_values_are_in_the_order_of_the_queries(first: ComparedRun) -> None:
    queries = shared_queries([first], JUDGED)
    forwards = values_of(first, JUDGED, "base", queries, crossfitted=True)
    assert np.array_equal(values_of(first, JUDGED, "base", queries[::-1], crossfitted=True), forwards[::-1])
