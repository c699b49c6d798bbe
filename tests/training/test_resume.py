"""Only checkpoints that are whole, and of the same training, are gone on from; nothing else stays."""

from __future__ import annotations

import itertools
import json
import os
import threading
from pathlib import Path

import numpy as np
import pyarrow.fs as pa_fs
import pytest

from engine.storage.store import StepRecord, Store, finish
from training.resume import checkpoints_of, keep_checkpoints, new_draft, steps_kept, take_draft

PLAN = np.arange(12).reshape(3, 4)
NAME = "checkpoint_2026"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def leave_behind(output: Path, step: int = 7) -> Path:
    """What a driver that was killed leaves: a checkpoint, Ray's list of it, and half of a model."""
    assert keep_checkpoints(output, PLAN) == 0
    folder = checkpoints_of(output)
    (folder / NAME).mkdir()
    result = {"checkpoint_dir_name": NAME, "metrics": {"step": step}}
    listed = {"checkpoint_results": [result], "latest_checkpoint_result": result}
    (folder / "checkpoint_manager_snapshot.json").write_text(json.dumps(listed))
    (output / "model.safetensors").write_text("half")
    (output / "1_Pooling").mkdir()
    return folder


def test_a_checkpoint_of_the_same_training_is_kept_and_all_else_removed(output: Path) -> None:
    folder = leave_behind(output)
    for _ in range(2):  # a driver may be killed again before the next checkpoint
        assert keep_checkpoints(output, PLAN) == 7
        assert list(output.iterdir()) == []
        assert (folder / NAME).is_dir()


@pytest.mark.parametrize("fault", ["plan", "list", "no list", "folder", "training", "library"])
def test_other_checkpoints_are_removed(output: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leave_behind(output)
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
    assert keep_checkpoints(output, plan) == 0
    assert list(output.iterdir()) == []
    assert [path.name for path in folder.iterdir()] == ["training.json"]


def test_the_driver_takes_one_draft_and_no_other_worker_reaches_the_model(output: Path) -> None:
    """A worker that was cut off writes on, before and after the draft of another one is taken."""
    leave_behind(output)
    assert keep_checkpoints(output, PLAN) == steps_kept(output) == 7
    cut_off, draft = new_draft(output), new_draft(output)
    assert cut_off != draft
    (draft / "1_Pooling").mkdir()
    for folder, text in ((cut_off, "another"), (draft, "finished")):
        (folder / "model.safetensors").write_text(text)
    take_draft(draft, output)
    assert sorted(entry.name for entry in output.iterdir()) == ["1_Pooling", "model.safetensors"]
    assert (output / "model.safetensors").read_text() == "finished"
    with pytest.raises(FileNotFoundError):
        (cut_off / "config.json").write_text("too late")
    assert steps_kept(output) == 0


def test_a_worker_that_still_writes_does_not_stop_a_new_training(tmp_path: Path) -> None:
    """A folder that gets files while it is removed is not empty in the end."""
    store = Store(tmp_path)
    output = store.reserve("model", "abc")
    late, is_over = leave_behind(output) / NAME, threading.Event()
    opened = os.open(late, os.O_RDONLY)  # as a worker has it: the folder itself, wherever it is moved to

    def write() -> None:
        for number in itertools.count():
            try:
                os.close(os.open(f"{number}.pt", os.O_CREAT | os.O_WRONLY, dir_fd=opened))
            except FileNotFoundError:  # the folder is gone
                return
            if is_over.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert keep_checkpoints(output, PLAN[::-1].copy()) == 0
    finally:
        is_over.set()
        writer.join()
        os.close(opened)
    folder = checkpoints_of(output)
    assert [path.name for path in folder.iterdir()] == ["training.json"]
    left = [work for work in store.work_folders() if work != folder]
    assert store.left_working() == left, "what the worker has left there is found by clean"


def test_a_checkpoint_that_comes_when_the_model_is_finished_is_no_part_of_it(tmp_path: Path) -> None:
    """A worker that was cut off makes the folders of its checkpoint itself, as Ray Train's copying does."""
    store = Store(tmp_path)
    output = store.reserve("model", "abc")
    leave_behind(output)
    keep_checkpoints(output, PLAN)
    draft = new_draft(output)
    (draft / "model.safetensors").write_text("finished")
    take_draft(draft, output)
    finish(output, StepRecord("model", "abc", {}, {}, 0.0, 0, {}))
    made = sorted(output.rglob("*"))
    late = checkpoints_of(output) / "checkpoint_late"
    pa_fs.LocalFileSystem().create_dir(str(late))
    (late / "optimizer.pt").write_text("late")
    assert sorted(output.rglob("*")) == made
    assert store.outputs() == [output]
    assert store.left_working() == [checkpoints_of(output)]
