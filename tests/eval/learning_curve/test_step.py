"""The step over hand-made scores: costs, curves and the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.sweeps import ScoresRecord
from engine.errors import UserError
from engine.storage.store import finish
from eval.learning_curve.config import LearningCurveConfig, LearningCurvePlan
from eval.learning_curve.figures import read_learning_curve
from eval.learning_curve.step import draw_learning_curve
from eval.sweeps.measuring import MEASURED
from tests.support.small_run import SAMPLES_RECORD, build_run, place_in, small_config, step_record, write_examples

PLAN = LearningCurvePlan(LearningCurveConfig([0.5, 1.0], seeds=2), small_config())


def write_scores(folder: Path, means: dict[str, float], seconds: float) -> Path:
    """A finished scores folder: six queries of three documents, around a mean for each system."""
    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for system, mean in means.items():
        values = mean + rng.normal(0, 0.01, 6)
        rows += [
            {"set": "held_out", "query_id": f"sample-{row}", "cluster": f"d{row // 2}", "system": system}
            | dict.fromkeys(MEASURED, float(value))
            for row, value in enumerate(values)
        ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "scores.parquet")
    finish(folder, step_record("scores", folder, ScoresRecord(0, 6, seconds)))
    return folder


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """The folders that the step reads."""
    folders = build_run(tmp_path / "store")
    half = tmp_path / "half"
    half.mkdir()
    write_examples(half)
    finish(half, step_record("examples", half, ExamplesRecord(5, 4, 1, {}, {})))
    folders |= {"examples_0.5": half, "examples_1": folders["examples"]}
    folders["base"] = write_scores(tmp_path / "base", {"bm25": 0.3, "base": 0.4, "base_words": 0.5}, 0.0)
    for share, mean in (("0.5", 0.5), ("1", 0.6)):
        for seed in (0, 1):
            name = f"{share}-seed-{seed}"
            folders[name] = write_scores(tmp_path / name, {"tuned": mean, "tuned_words": mean + 0.1}, 10.0 * (seed + 1))
    return folders


def test_a_curve_with_its_costs(inputs: dict[str, Path], tmp_path: Path) -> None:
    record = draw_learning_curve(PLAN, inputs, tmp_path, place_in(tmp_path))
    figures = read_learning_curve(tmp_path / "learning_curve.json")
    assert (record.points, record.seeds, record.examples) == (2, 2, 9)
    assert [effort.examples for effort in figures.efforts] == [0, 4, 9]
    trained_on = 14  # samples of documents before `kites`
    assert figures.efforts[2].samples == trained_on
    seconds = SAMPLES_RECORD.cost.cpu_seconds * trained_on / SAMPLES_RECORD.planned
    assert figures.efforts[2].engine_seconds == pytest.approx(seconds, abs=0.1)
    assert figures.efforts[2].training_seconds == 15.0
    assert figures.processor == "CPU"
    curves = figures.sets["held_out"]
    assert (curves.queries, curves.clusters) == (6, 3)
    assert [round(level.mean, 1) for level in curves.systems["tuned"].levels] == [0.4, 0.5, 0.6]
    assert [round(level.mean, 1) for level in curves.systems["tuned_words"].levels] == [0.5, 0.6, 0.7]
    assert "examples" in (tmp_path / "learning_curve.html").read_text()


def test_without_any_query_the_run_ends_in_one_line(inputs: dict[str, Path], tmp_path: Path) -> None:
    for folder in inputs.values():
        if (file := folder / "scores.parquet").exists():
            pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(UserError, match=r"learning_curve.shares: there was no query to measure on"):
        draw_learning_curve(PLAN, inputs, tmp_path, place_in(tmp_path))
