"""Only checkpoints that are whole, and of the same training, are gone on from; nothing else stays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.resume import CHECKPOINTS, keep_checkpoints, new_draft, steps_kept, take_draft

PLAN = np.arange(12).reshape(3, 4)
NAME = "checkpoint_2026"


def leave_behind(output: Path, step: int = 7) -> Path:
    """What a driver that was killed leaves: a checkpoint, Ray's list of it, and half of a model."""
    assert keep_checkpoints(output, PLAN) == 0
    folder = output / CHECKPOINTS
    (folder / NAME).mkdir()
    result = {"checkpoint_dir_name": NAME, "metrics": {"step": step}}
    listed = {"checkpoint_results": [result], "latest_checkpoint_result": result}
    (folder / "checkpoint_manager_snapshot.json").write_text(json.dumps(listed))
    (output / "model.safetensors").write_text("half")
    (output / "1_Pooling").mkdir()
    return folder


def test_a_checkpoint_of_the_same_training_is_kept_and_all_else_removed(tmp_path: Path) -> None:
    folder = leave_behind(tmp_path)
    for _ in range(2):  # a driver may be killed again before the next checkpoint
        assert keep_checkpoints(tmp_path, PLAN) == 7
        assert list(tmp_path.iterdir()) == [folder]
        assert (folder / NAME).is_dir()


@pytest.mark.parametrize("fault", ["plan", "list", "no list", "folder", "training", "library"])
def test_other_checkpoints_are_removed(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leave_behind(tmp_path)
    plan, snapshot = PLAN, folder / "checkpoint_manager_snapshot.json"
    if fault == "plan":
        plan = PLAN[:, ::-1].copy()
    elif fault == "list":
        snapshot.write_text(snapshot.read_text()[:40])
    elif fault == "no list":
        snapshot.unlink()
    elif fault == "folder":
        (folder / NAME).rmdir()
    elif fault == "training":
        (folder / "training.json").unlink()
    else:
        monkeypatch.setattr("training.resume.version", lambda name: f"another {name}")
    assert keep_checkpoints(tmp_path, plan) == 0
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        CHECKPOINTS,
        f"{CHECKPOINTS}/training.json",
    ]


def test_the_driver_takes_one_draft_and_no_other_worker_reaches_the_model(tmp_path: Path) -> None:
    """A worker that was cut off writes on, before and after the draft of another one is taken."""
    leave_behind(tmp_path)
    assert keep_checkpoints(tmp_path, PLAN) == steps_kept(tmp_path) == 7
    cut_off, draft = new_draft(tmp_path), new_draft(tmp_path)
    assert cut_off != draft
    (draft / "1_Pooling").mkdir()
    for folder, text in ((cut_off, "another"), (draft, "finished")):
        (folder / "model.safetensors").write_text(text)
    take_draft(draft, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1_Pooling", "model.safetensors"]
    assert (tmp_path / "model.safetensors").read_text() == "finished"
    with pytest.raises(FileNotFoundError):
        (cut_off / "config.json").write_text("too late")
    assert steps_kept(tmp_path) == 0
