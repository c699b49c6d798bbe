"""MLflow: a run in a folder, which a later start goes on with; tried where MLflow is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.trackers.mlflow_tracker import MlflowTracker
from engine.runtime.tracking import Finished, Mode, TrackingConfig
from engine.storage.run_folders import begin_run

pytest.importorskip("mlflow")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose two starts were tracked."""
    run, report = tmp_path / "demo", tmp_path / "store" / "report"
    begin_run(run, "")
    report.mkdir(parents=True)
    (report / "report.json").write_text("{}")
    for start in (1, 2):
        config = {"seed": start, "hf_token": "planted-secret", "notes": "x" * 9000}
        tracker = MlflowTracker(TrackingConfig(mode=Mode.mlflow, group="a-sweep"), run, config)
        tracker.summary("documents", {"passages": 12, "reader": "text"})
        tracker.begin()
        tracker.log("model", {"loss": 2.0 / start}, start)
        tracker.table("examples", "kept", ["query", "logprob"], [["a query", None]])
        tracker.artifact(Finished("report", report, "f1", {"model": "e2"}))
        tracker.finish()
    return run


def client_of(run: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient((run / "tracking" / "mlflow").absolute().as_uri())


def test_both_starts_are_one_run(run_dir: Path) -> None:
    client = client_of(run_dir)
    experiment = client.get_experiment_by_name("synthmill")
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("demo", "FINISHED")
    curve = client.get_metric_history(run.info.run_id, "model/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.0), (2, 1.0)]
    assert run.data.metrics["documents/passages"] == 12
    assert run.data.params["seed"] == "1", "a parameter has one value for good"
    assert run.data.params["hf_token"] == "***"
    tags = run.data.tags
    assert (tags["group"], tags["documents/reader"], tags["report/artifact"]) == ("a-sweep", "text", "report-f1")
    assert json.loads(tags["report/inputs"]) == {"model": "e2"}


def test_texts_and_folders_are_artifacts(run_dir: Path) -> None:
    [table] = run_dir.glob("tracking/mlflow/**/artifacts/examples/kept.json")
    assert json.loads(table.read_text()) == {"columns": ["query", "logprob"], "data": [["a query", None]]}
    assert len(list(run_dir.glob("tracking/mlflow/**/artifacts/report/report.json"))) == 1
    files = [file for file in run_dir.rglob("*") if file.is_file()]
    assert [file for file in files if b"planted" in file.read_bytes()] == []
