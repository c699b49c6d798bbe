"""The metrics of sweeps: figures that a run reports, and none that rests on judged questions of the report."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.validation import Validated, ValidationRecord
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.storage.store import finish
from engine.sweeps.metric import check_metric, default_metric, metrics, read_metric
from tests.support.small_run import MODEL_RECORD, finished_run, step_record
from training.config import Family, ModelConfig
from training.validation.config import ValidationConfig

VALIDATED = RunConfig(collection="x", model=ModelConfig(seed=0, validation=ValidationConfig(every=5)))


def test_what_a_run_is_judged_by_where_nothing_is_said() -> None:
    assert default_metric(VALIDATED) == "held_out"
    assert default_metric(replace(VALIDATED, until="model")) == "validation"
    assert default_metric(replace(VALIDATED, model=ModelConfig(family=Family.cross_encoder, seed=0))) == "validation"


def test_figures_of_records_are_metrics() -> None:
    assert (
        metrics().items()
        >= {"examples.kept": "examples", "model.loss.last": "model", "prompts.planned": "prompts"}.items()
    )
    for metric in ("validation", "held_out", "examples.kept", "model.loss.last"):
        check_metric(metric, VALIDATED, "f: metric")


@pytest.mark.parametrize(
    ("metric", "config", "said"),
    [
        ("validaton", VALIDATED, r"^f: metric: there is no metric 'validaton'; did you mean 'validation'"),
        ("report.retrieval", VALIDATED, "may rest on the report's judged questions.*use held_out"),
        ("held_out", replace(VALIDATED, until="model"), "no step reports 'held_out': the run ends with model"),
        ("validation", replace(VALIDATED, until="examples"), "no step reports 'validation'"),
        ("model.steps", replace(VALIDATED, until="prompts"), "no step reports 'model.steps'"),
        ("validation", RunConfig(collection="x"), r"model\.validation\.every=None: .* from point to point; set how"),
        (
            "validation",
            replace(VALIDATED, model=ModelConfig(family=Family.cross_encoder, seed=0)),
            "a cross_encoder searches nothing",
        ),
    ],
)
def test_a_metric_that_no_step_reports_is_refused(metric: str, config: RunConfig, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_metric(metric, config, "f: metric")


def test_metrics_are_read_from_a_finished_run(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    assert 0 < read_metric("held_out", run) <= 1
    assert read_metric("examples.kept", run) == 14
    assert read_metric("model.loss.last", run) == 0.4
    with pytest.raises(UserError, match="the model was not validated"):
        read_metric("validation", run)


def test_a_metric_that_came_to_no_number_is_no_score(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    curve = [Validated(0, 0.5, 0.0, 0.0, 0.0), Validated(5, math.nan, 0.0, 0.0, 0.0)]
    record = replace(MODEL_RECORD, validation=ValidationRecord(20, 0, 40, curve, 5, ""))
    finish(folder, step_record("model", folder, record))
    with pytest.raises(UserError, match="its validation is nan"):
        read_metric("validation", tmp_path)


def test_a_report_without_held_out_queries_has_no_score(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    file = run / "report" / "report.json"
    report = json.loads(file.read_text())
    report["held_out"]["queries"] = 0
    file.write_text(json.dumps(report))
    with pytest.raises(UserError, match="no query of a held-out document is left"):
        read_metric("held_out", run)


def test_the_validation_of_a_model_is_that_of_the_weights_that_were_kept(tmp_path: Path) -> None:
    curve = [Validated(step, score, 0.0, 0.0, 0.0) for step, score in ((0, 0.5), (5, 0.75), (10, 0.625))]
    record = replace(MODEL_RECORD, validation=ValidationRecord(20, 0, 40, curve, 5, ""))
    folder = tmp_path / "model"
    folder.mkdir()
    finish(folder, step_record("model", folder, record))
    assert read_metric("validation", tmp_path) == 0.75
