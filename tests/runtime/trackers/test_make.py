"""The tracker that a config asks for, and what is refused before anything costly."""

import importlib.util
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.trackers.make import make_tracker
from engine.runtime.trackers.tensorboard_tracker import TensorBoardTracker
from engine.runtime.trackers.wandb_tracker import WandbTracker
from engine.runtime.tracking import Finished, Mode, NoTracker, TrackingConfig
from engine.storage.run_folders import begin_run


def test_off_keeps_nothing(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    before = sorted(tmp_path.rglob("*"))
    tracker = make_tracker(TrackingConfig(mode=Mode.off), tmp_path / "run", {}, pytest.fail)
    assert isinstance(tracker, NoTracker)
    tracker.log("model", {"loss": 1.0}, 1)
    tracker.summary("samples", {"planned": 3})
    tracker.table("samples", "table", ["text"], [["a"]])
    tracker.artifact(Finished("model", tmp_path, "ab", {}))
    tracker.finish()
    tracker.begin()
    assert sorted(tmp_path.rglob("*")) == before


def test_online_without_a_login_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match="knows no login") as caught:
        make_tracker(TrackingConfig(mode=Mode.online), tmp_path / "run", {}, pytest.fail)
    assert caught.value.where == "tracking=online"
    assert "tracking=offline" in caught.value.remedy
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    assert isinstance(make_tracker(TrackingConfig(mode=Mode.online), tmp_path / "run", {}, pytest.fail), WandbTracker)


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for mode, package in ((Mode.mlflow, "mlflow-skinny"), (Mode.tensorboard, "tensorboardX")):
        with pytest.raises(UserError, match="is not installed") as caught:
            make_tracker(TrackingConfig(mode=mode), tmp_path, {}, pytest.fail)
        assert caught.value.where == f"tracking={mode.value}"
        assert f"pip install {package}" in caught.value.remedy


def test_each_mode_has_its_tracker(tmp_path: Path) -> None:
    assert isinstance(make_tracker(TrackingConfig(), tmp_path, {}, pytest.fail), WandbTracker)
    assert isinstance(
        make_tracker(TrackingConfig(mode=Mode.tensorboard), tmp_path, {}, pytest.fail), TensorBoardTracker
    )


def test_the_folder_of_the_figures_is_made_or_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "figures.jsonl"
    tracker = make_tracker(TrackingConfig(mode=Mode.off, figures=str(file)), tmp_path / "run", {}, pytest.fail)
    tracker.log("model", {"loss": 1.0}, 1)
    assert file.exists()
    with pytest.raises(UserError, match="is a file") as caught:
        make_tracker(TrackingConfig(mode=Mode.off, figures=f"{file}/x.jsonl"), tmp_path / "run", {}, pytest.fail)
    assert caught.value.where == f"tracking.figures={file}/x.jsonl"
