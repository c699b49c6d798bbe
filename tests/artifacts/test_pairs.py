"""Pairs of queries and passages: each is asked about once, and its figure comes back to wherever the pair stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts import pairs as module
from engine.artifacts.judged import QUERY, Criterion
from engine.artifacts.pairs import number_pairs, one_line, query_id, read_figures, write_pairs
from engine.artifacts.prompts import PromptsFolder
from engine.task.config import TaskConfig
from tests.support.committed import commit_table

TASK = TaskConfig(name="likelihood", prompt="{{ passage.text }}")
ROWS = np.array([[4, 0, 2], [4, 2, -1], [0, 1, 4]])
QUERY_OF = np.array([1, 0, 1])
"""The first and the last query are of one text."""
CRITERION = Criterion("relevance", "", "", ("score",), "", 0.0, 0.0)


def test_a_pair_that_stands_twice_is_asked_about_once_and_passages_are_neighbours() -> None:
    pairs = number_pairs(ROWS, QUERY_OF)
    listed = list(zip(pairs.passages.tolist(), pairs.queries.tolist(), strict=True))
    assert listed == [(0, 1), (1, 1), (2, 0), (2, 1), (4, 0), (4, 1)]
    assert pairs.numbers.tolist() == [[5, 0, 3], [4, 2, -1], [0, 1, 5]]
    nothing = number_pairs(np.full((2, 3), -1), np.arange(2))
    assert len(nothing.passages) == 0
    assert (nothing.numbers == -1).all()


def test_the_rows_of_a_plan_are_the_pairs_in_files_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FILE_ROWS", 4)
    folder, pairs = PromptsFolder(tmp_path), number_pairs(ROWS, QUERY_OF)
    queries, ids = pa.array(["how  bees\ndance", "why"], pa.large_string()), pa.array([f"p{row}" for row in range(5)])
    record = write_pairs(folder, TASK, pairs, queries, ids)
    plan = folder.plan()
    assert (record.planned, record.prefixes, len(folder.plan_files())) == (6, 4, 2)
    assert plan["sample_id"].to_pylist() == list(range(6))
    assert plan["passage_id"].to_pylist() == ["p0", "p1", "p2", "p2", "p4", "p4"]
    assert plan[f"condition_{QUERY}"].to_pylist()[1:3] == ["why", "how bees dance"]
    assert plan["cell"].to_pylist()[2] == query_id("how bees dance")
    assert folder.task() == TASK


def test_figures_come_back_in_the_shape_of_the_passages(tmp_path: Path) -> None:
    answers = pa.table({"sample_id": [5, 0, 3, 4], "score": pa.array([0.5, 0.1, None, 0.4], pa.float64())})
    commit_table(tmp_path, answers)
    figures = read_figures(tmp_path, CRITERION, number_pairs(ROWS, QUERY_OF).numbers)
    nan = float("nan")
    expected = np.array([[0.5, 0.1, nan], [0.4, nan, nan], [0.1, nan, 0.5]])
    assert figures == pytest.approx(expected, nan_ok=True)


def test_white_space_makes_no_other_query() -> None:
    assert one_line(" a\n b ") == "a b"
    assert query_id("a b") == query_id(" a\tb") != query_id("a c")
