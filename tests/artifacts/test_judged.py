"""Figures of judges: where they stand in judgements, whom they turn down, and who is not asked again."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.judged import Criterion, Judged, read_judged, rows_with, settled_ids
from tests.support.committed import begin, commit_table

NAN = float("nan")
FINAL = Criterion("relevance", "judged_relevance", "judge", ("score_a_yes", "score_b_yes"), "", 0.5, 0.5)
UNSURE = Criterion("relevance", "judged_relevance", "judge", ("score_a_yes",), "", 0.1, 0.9)
INFORMATION = Criterion("information", "judged_information", "information", ("given",), "without", 0.5, 0.5)


def judgements(ids: list[int], **columns: list[float | None]) -> pa.Table:
    return pa.table({"sample_id": ids, **{name: pa.array(values, pa.float64()) for name, values in columns.items()}})


def test_a_figure_is_the_mean_of_both_orders_by_sample(tmp_path: Path) -> None:
    commit_table(tmp_path, judgements([7, 2], score_a_yes=[0.2, 0.9], score_b_yes=[0.6, 0.7]))
    commit_table(tmp_path, judgements([4], score_a_yes=[None], score_b_yes=[None]))
    judged = read_judged(tmp_path, FINAL)
    assert judged.ids.tolist() == [2, 4, 7]
    assert judged.figures == pytest.approx([0.8, NAN, 0.4], nan_ok=True)


def test_information_is_what_the_passage_adds(tmp_path: Path) -> None:
    commit_table(tmp_path, judgements([1], given=[-2.0], without=[-3.5]))
    assert read_judged(tmp_path, INFORMATION).figures.tolist() == [1.5]


def test_nobody_may_have_been_asked(tmp_path: Path) -> None:
    begin(tmp_path)
    judged = read_judged(tmp_path, FINAL)
    assert (len(judged.ids), len(judged.figures)) == (0, 0)


def test_a_sample_at_the_line_passes_and_one_that_could_not_be_judged_does_not() -> None:
    figures = np.array([0.49, 0.5, NAN])
    assert FINAL.rejects(figures).tolist() == [True, False, True]
    assert FINAL.settles(figures).tolist() == [True, True, True]


def test_where_a_model_is_not_sure_the_next_one_is_asked() -> None:
    figures = np.array([0.05, 0.1, 0.5, 0.9, NAN])
    assert UNSURE.rejects(figures).tolist() == [True, False, False, False, False]
    assert UNSURE.settles(figures).tolist() == [True, False, False, True, False]


def test_who_is_rejected_is_asked_nothing_and_who_is_accepted_only_nothing_of_the_same() -> None:
    judged = Judged(np.array([1, 2, 3, 4]), np.array([0.05, 0.5, 0.95, NAN]))
    assert settled_ids([(UNSURE, judged)], "relevance").tolist() == [1, 3]
    assert settled_ids([(UNSURE, judged)], "clarity").tolist() == [1]
    assert settled_ids([(UNSURE, judged), (INFORMATION, judged)], "clarity").tolist() == [1, 4]
    assert settled_ids([], "clarity").tolist() == []


def test_ids_are_looked_up() -> None:
    places, is_there = rows_with(np.array([3, 5, 9]), np.array([9, 4, 3, 10]))
    assert places[is_there].tolist() == [2, 0]
    assert is_there.tolist() == [True, False, True, False]
    assert rows_with(np.array([], np.int64), np.array([1]))[1].tolist() == [False]
