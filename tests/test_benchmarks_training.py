"""The parts of benchmarks/training_speed.py that can be wrong without hours to measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu, training_speed
from engine.artifacts.examples import ExamplesFolder
from training.rows import read_rows


def test_each_ratio_has_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    good = {
        "step": [100.0, 98.0],
        "plain": [100.0, 100.0],
        "fp32": [30.0, 30.0],
        "one": [10.0, 10.0],
        "two": [9.0, 9.0],
    }
    assert not training_speed.report(good)
    assert "training.plain ratio 0.990 (0.980..1.000 of 2 pairs)" in capsys.readouterr().out
    for side, slow in (("plain", [110.0] * 2), ("fp32", [50.0] * 2), ("one", [12.0] * 2)):
        assert training_speed.report(good | {side: slow})
    assert not training_speed.report({"step": [100.0], "plain": [100.0]}), "a GPU has no other sides"


def test_made_examples_can_all_share_batches(tmp_path: Path) -> None:
    training_speed.write_pairs(tmp_path / "examples", 40)
    rows = read_rows(ExamplesFolder(tmp_path / "examples"))
    assert {len(rows[name].unique()) for name in rows.column_names} == {40}


def test_a_step_is_measured_in_rate_and_memory(tmp_path: Path) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    for kind in ("mnrl", "cached_mnrl"):
        found = training_speed.step_of_pairs(str(base), kind, 8)
        assert found["rate"] > 0
        assert found["mebibytes"] >= 0
