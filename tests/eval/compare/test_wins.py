"""The queries on which two runs differ are shown with the answer that the better one found."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.compare.figures import shared_queries, values_of
from eval.compare.runs import read_run
from eval.compare.wins import find_wins
from eval.report import HELD_OUT, JUDGED
from tests.support.compared import choosing_by_folds, without_words, write_finished_run
from tests.support.small_run import DOCUMENTS


def test_wins_and_losses_add_up_and_carry_texts(tmp_path: Path) -> None:
    first = read_run(str(write_finished_run(tmp_path / "first")), "first")
    other = read_run(str(write_finished_run(tmp_path / "other", change=without_words)), "other")
    queries = shared_queries([first, other], JUDGED)
    wins = find_wins(first, other, JUDGED, queries)
    assert wins
    assert wins.num_better + wins.num_worse + wins.num_same == len(queries)
    assert wins.num_better + wins.num_worse > 0
    for moved in [*wins.better, *wins.worse]:
        assert moved.query in {query.text for query in queries}
        assert moved.document_id in DOCUMENTS
        assert moved.passage.endswith(DOCUMENTS[moved.document_id][1])
    assert all(moved.after > moved.before for moved in wins.better)
    assert all(moved.after < moved.before for moved in wins.worse)
    back = find_wins(other, first, JUDGED, queries)
    assert back
    assert (back.num_better, back.num_worse) == (wins.num_worse, wins.num_better)


def test_wins_go_by_what_queries_count_in_the_reports(tmp_path: Path) -> None:
    first = read_run(str(write_finished_run(tmp_path / "first")), "first")
    other = read_run(str(write_finished_run(tmp_path / "other", change=choosing_by_folds)), "other")
    queries = shared_queries([first, other], JUDGED)
    wins = find_wins(first, other, JUDGED, queries)
    assert wins
    gains = values_of(other, JUDGED, "base_words", queries, crossfitted=True) - values_of(
        first, JUDGED, "base_words", queries, crossfitted=True
    )
    assert (wins.num_better, wins.num_worse) == (int((gains > 0).sum()), int((gains < 0).sum()))
    moved = [*wins.better, *wins.worse]
    assert sum(query.after - query.before for query in moved) == pytest.approx(gains.sum())
    assert moved


def test_a_system_that_was_not_measured_on_a_set_gives_no_wins(tmp_path: Path) -> None:
    first = read_run(str(write_finished_run(tmp_path)), "first")
    assert first.advised == "base_words"
    assert find_wins(first, first, HELD_OUT, shared_queries([first], HELD_OUT)) is None
