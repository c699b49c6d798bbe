"""MLflow: a run in a folder, which a later start goes on with; tried where MLflow is installed."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.trackers.mlflow_tracker import MlflowTracker, mlflow_name
from engine.runtime.tracking import Finished, Mode, Outcome, TrackingConfig
from engine.storage.run_folders import begin_run


@pytest.mark.parametrize(
    "name",
    [
        *("report/SET, SYSTEM.ndcg@10", "examples/rejected.reason: too (long)", "report/a//b/", "report/../x"),
        *("/report", "", "...", "samples/übersetzt", "x/" * 200),
    ],
)
def test_a_name_is_one_that_mlflow_takes(name: str) -> None:
    """MLflow's own rules: these characters, a length, and a path that stays as it is when it is normalised."""
    made = mlflow_name(name)
    assert re.fullmatch(r"[/\w.\- ]{1,250}", made)
    assert posixpath.normpath(made) == made
    assert not made.startswith(("..", "/"))
    assert mlflow_name(made) == made


def test_names_that_mlflow_takes_stay_as_they_are() -> None:
    for name in ("model/loss", "samples.max_tokens", "report/a b-c"):
        assert mlflow_name(name) == name


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose two starts were tracked."""
    pytest.importorskip("mlflow")
    run, report = tmp_path / "demo", tmp_path / "store" / "report"
    begin_run(run, "")
    report.mkdir(parents=True)
    (report / "report.json").write_text("{}")
    for start in (1, 2):
        config = {"seed": start, "hf_token": "planted-secret", "notes": "x" * 9000}
        tracker = MlflowTracker(TrackingConfig(mode=Mode.mlflow, group="a-sweep"), run, config, pytest.fail)
        tracker.summary("documents", {"passages": 12, "a, b": 1, "reader": "text"})
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
    assert tags["config/seed"] == "2", "the last start had another one"
    assert not {"config/hf_token", "config/notes"} & tags.keys()
    assert (tags["group"], tags["documents/reader"], tags["report/artifact"]) == ("a-sweep", "text", "report-f1")
    assert json.loads(tags["report/inputs"]) == {"model": "e2"}


def test_texts_and_folders_are_artifacts(run_dir: Path) -> None:
    [table] = run_dir.glob("tracking/mlflow/**/artifacts/examples/kept.json")
    assert json.loads(table.read_text()) == {"columns": ["query", "logprob"], "data": [["a query", None]]}
    assert len(list(run_dir.glob("tracking/mlflow/**/artifacts/report/report.json"))) == 1
    files = [file for file in run_dir.rglob("*") if file.is_file()]
    assert [file for file in files if b"planted" in file.read_bytes()] == []


def test_another_server_has_a_run_of_its_own_and_the_first_goes_on_with_its_own(run_dir: Path, tmp_path: Path) -> None:
    other = (tmp_path / "other").as_uri()
    for start, uri in enumerate((other, other, ""), 3):
        tracker = MlflowTracker(TrackingConfig(mode=Mode.mlflow, uri=uri), run_dir, {"seed": start}, pytest.fail)
        tracker.begin()
        tracker.log("model", {"loss": 2.0 / start}, start)
        tracker.finish()
    from mlflow import MlflowClient

    for client, points in ((MlflowClient(other), [3, 4]), (client_of(run_dir), [1, 2, 5])):
        experiment = client.get_experiment_by_name("synthmill")
        [run] = client.search_runs([experiment.experiment_id])
        assert [point.step for point in client.get_metric_history(run.info.run_id, "model/loss")] == points


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        *((Outcome.finished, "FINISHED"), (Outcome.failed, "FAILED"), (Outcome.refused, "FAILED")),
        *((Outcome.out_of_time, "KILLED"), (Outcome.interrupted, "KILLED")),
    ],
)
def test_how_a_start_ended_is_the_state_of_the_run(run_dir: Path, outcome: Outcome, state: str) -> None:
    tracker = MlflowTracker(TrackingConfig(mode=Mode.mlflow), run_dir, {}, pytest.fail)
    tracker.begin()
    tracker.log("model", {"loss": 1.0}, 9)
    tracker.finish(outcome)
    client = client_of(run_dir)
    [run] = client.search_runs([client.get_experiment_by_name("synthmill").experiment_id])
    assert run.info.status == state


def test_a_start_that_was_killed_before_it_told_of_the_config_leaves_that_to_the_next(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    run, config = tmp_path / "demo", TrackingConfig(mode=Mode.mlflow)
    begin_run(run, "")
    for values in ({}, {"seed": 7}):  # the first has made the run and told of nothing
        tracker = MlflowTracker(config, run, values, pytest.fail)
        tracker.log("model", {"loss": 1.0}, 1)
        tracker.begin()
        tracker.finish()
    [found] = client_of(run).search_runs([client_of(run).get_experiment_by_name("synthmill").experiment_id])
    assert found.data.params["seed"] == "7"
