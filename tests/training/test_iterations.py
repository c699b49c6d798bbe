"""Where an iteration begins, and how many of its hard negatives are new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.storage.store import finish
from tests.support.small_run import MODEL_RECORD, step_record
from tests.support.training import make_config
from training.iterations import Earlier, changed_share, earlier_iterations, write_negatives


def test_the_first_iteration_begins_with_the_base(base: Path) -> None:
    earlier, config = earlier_iterations({"examples": Path("examples")}), make_config(base)
    assert earlier == Earlier(0, 0, None)
    assert f"{earlier}12 examples" == "12 examples"
    assert earlier.searching(config) is config
    assert changed_share(np.ones((2, 1), np.uint64), earlier) is None


def test_a_later_one_counts_on_from_the_model_before(base: Path, tmp_path: Path) -> None:
    finish(tmp_path, step_record("model", tmp_path, replace(MODEL_RECORD, iteration=2, steps=40, earlier_steps=30)))
    earlier = earlier_iterations({"model": tmp_path})
    assert earlier == Earlier(2, 70, tmp_path)
    assert str(earlier) == "iteration 3: "
    assert earlier.searching(make_config(base)).base == str(tmp_path)


def test_negatives_are_compared_row_by_row(tmp_path: Path) -> None:
    write_negatives(tmp_path, np.array([[1, 2], [3, 4], [5, 6]], np.uint64))
    earlier = Earlier(1, 9, tmp_path)
    assert changed_share(np.array([[2, 1], [3, 7], [1, 2]], np.uint64), earlier) == pytest.approx(3 / 6)
    assert changed_share(np.empty((0, 0), np.uint64), earlier) is None


def test_without_negatives_nothing_is_kept(tmp_path: Path) -> None:
    write_negatives(tmp_path, np.empty((0, 0), np.uint64))
    assert not list(tmp_path.iterdir())
