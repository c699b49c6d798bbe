"""What a training that was cut off left behind, and whether another start may go on from it.

In: the folder of the model, and the plan of its batches. Out: the folder empty, and beside it checkpoints of the same
training or none; Ray Train finds them by their place. A driver that is killed leaves them; what makes them usable is
written down beside them when training starts:

    .MODEL.work/training.json                       the plan's digest, and the libraries that wrote the checkpoints
    .MODEL.work/checkpoint_manager_snapshot.json    Ray Train's list of the checkpoints that are whole
    .MODEL.work/checkpoint_.../                     weights, optimizer, schedule, the curves so far
    .MODEL.work/model-.../                          the model that a start of the workers finished

None of it lies in the folder of the model: a worker whose node was cut off may send a checkpoint when the model is
finished, and makes the folders for it. Nor does one that is in the way of a new training stop it: checkpoints that are
of no use are moved away before they are removed. `synthmill clean` removes what comes so late.

The config and the inputs are the same, since the folder is that of their fingerprint. The plan may differ: batches that
another number of workers cannot share are smaller. Then training starts anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.storage.files import write_json
from engine.storage.store import holding, work_folder

if TYPE_CHECKING:
    from training.batches.plan import Rows

_TRAINING_FILE, _SNAPSHOT_FILE = "training.json", "checkpoint_manager_snapshot.json"
_DRAFT = "model-"
_LIBRARIES = ("ray", "torch", "transformers", "sentence-transformers")
"""Another version of these may read a checkpoint otherwise, or not at all."""


def keep_checkpoints(output: Path, plan: Rows) -> int:
    """Empties a model's folder, and removes all checkpoints but those of the training that is about to start.

    Args:
        output: the folder, which an earlier start may have left in any state.
        plan: int64 (steps, batch_size), the rows of each step.

    Returns:
        The number of steps that the last checkpoint holds; 0 where training starts at its beginning.
    """
    folder, training = checkpoints_of(output), _describe(plan)
    is_same = _read(folder / _TRAINING_FILE) == training
    steps = _last_step(folder) if is_same else 0
    for entry in output.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if folder.exists() and not steps:
        _discard(folder, output)
    folder.mkdir(exist_ok=True)
    write_json(folder / _TRAINING_FILE, training)
    return steps


def checkpoints_of(output: Path) -> Path:
    """Returns the folder of the checkpoints of a model, beside its own; its name is Ray Train's of the training."""
    return work_folder(output)


def steps_kept(output: Path) -> int:
    """Returns the steps of the last checkpoint in the folder of a model that is trained; 0 where there is none."""
    return _last_step(checkpoints_of(output))


def new_draft(output: Path) -> Path:
    """Makes the folder that a worker writes the finished model into, and no other worker ever does.

    A worker whose node is cut off is replaced while it lives, and may come to its end after the other one: what it
    writes then must not be in the model. Only the driver takes a draft (`take_draft`).

    Args:
        output: the folder of the model.
    """
    draft = checkpoints_of(output) / f"{_DRAFT}{uuid.uuid4().hex}"
    draft.mkdir()  # not by tempfile: the driver, which may be another user, could not read it
    return draft


def take_draft(draft: Path, output: Path) -> None:
    """Moves the files of a draft into the folder of the model, and removes checkpoints and all other drafts."""
    for entry in draft.iterdir():
        entry.rename(output / entry.name)
    remove_checkpoints(output)


def remove_checkpoints(output: Path) -> None:
    """Removes what is needed no more once the workers have ended; what one that was cut off is writing may stay."""
    shutil.rmtree(checkpoints_of(output), ignore_errors=True)


def _discard(folder: Path, output: Path) -> None:
    """Takes checkpoints out of the way in one step, then removes them, but for what a worker is still writing there.

    What stays lies in the work folder of a step that never was, where `synthmill clean` finds it.
    """
    nobody = output.with_name(f"{output.name}-{uuid.uuid4().hex[:8]}")
    with holding(nobody):  # or `clean` would take it meanwhile
        aside = folder.rename(work_folder(nobody))
        shutil.rmtree(aside, ignore_errors=True)


def _describe(plan: Rows) -> dict[str, Any]:
    rows = hashlib.sha256(np.ascontiguousarray(plan).data).hexdigest()
    return {"shape": list(plan.shape), "rows": rows, "libraries": {name: version(name) for name in _LIBRARIES}}


def _last_step(folder: Path) -> int:
    """Returns the steps of the last checkpoint; 0 where there is none, or Ray's list of them is not whole.

    Ray writes the list in place, so that a kill may leave half of it.
    """
    listed = _read(folder / _SNAPSHOT_FILE)
    if not listed or not listed.get("latest_checkpoint_result"):
        return 0
    names = [result["checkpoint_dir_name"] for result in listed["checkpoint_results"]]
    is_there = all((folder / name).is_dir() for name in names)
    return int(listed["latest_checkpoint_result"]["metrics"]["step"]) if is_there else 0


def _read(file: Path) -> Any:
    """Reads a JSON file; None where it is missing or was cut off."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
