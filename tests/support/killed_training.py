"""A driver of the model step that kills itself, -9, when training has a checkpoint and is a step further.

In: a Ray that runs already, so that no other one has to start. Out: a folder with what the driver left. Another start
of the same training, in the tests, goes on from there.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.runtime.cluster import ClusterConfig, start_ray
from tests.support.training import make_config, train
from training.config import ModelConfig
from training.losses.settings import Loss
from training.resume import checkpoints_of
from training.workers import launch, worker

CHECKPOINT_STEPS = 10
"""In the middle of two epochs of eleven steps."""


def config_of(base: Path, **changes: Any) -> ModelConfig:
    """The training that is killed, and started again."""
    settings: dict[str, Any] = {
        "epochs": 2,
        "loss": Loss.mnrl,
        "mini_batch_size": 2,
        "learning_rate": 1e-3,
        "checkpoint_steps": CHECKPOINT_STEPS,
        "max_failures": 1,
    }
    return make_config(base, **(settings | changes))


def without_dropout(base: Path, folder: Path) -> Path:
    """Makes a copy of `base` that has no dropout, which draws otherwise where other workers share the batches."""
    copy = folder / "without-dropout"
    copy.mkdir(parents=True)
    for file in base.iterdir():
        (copy / file.name).symlink_to(file)
    settings = json.loads((base / "config.json").read_text())
    (copy / "config.json").unlink()
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (copy / "config.json").write_text(json.dumps(settings | off))
    return copy


def snapshot_of(folder: Path) -> Path:
    """Ray Train's list of the checkpoints of a training in `folder`."""
    return checkpoints_of(folder / "model") / "checkpoint_manager_snapshot.json"


def has_checkpoint(snapshot: Path) -> bool:
    """Whether Ray Train knows of a checkpoint."""
    return snapshot.is_file() and "checkpoint_" in snapshot.read_text()


def waiting_behind_the_checkpoint() -> Callable[[dict[str, Any]], object]:
    """What a worker does that takes a step more than the checkpoint has, and then none."""
    plain, last = worker.train_on_rank, CHECKPOINT_STEPS

    def train_and_wait(settings: dict[str, Any]) -> object:
        from training.workers.trainer import CurveCallback

        def wait(_: CurveCallback, arguments: Any, state: Any, *others: Any, **options: Any) -> None:
            while state.global_step > last:
                time.sleep(0.1)

        CurveCallback.on_step_end = wait  # type: ignore[method-assign,assignment]
        return plain(settings)

    return train_and_wait


def _die_with_the_checkpoint(snapshot: Path) -> None:
    while not has_checkpoint(snapshot):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def main(address: str, base_folder: str, output: str) -> None:
    """Trains until there is a checkpoint, on the Ray at an address."""
    base, folder = Path(base_folder), Path(output)
    start_ray(ClusterConfig(address=address), folder / "logs")
    launch.train_on_rank = waiting_behind_the_checkpoint()  # type: ignore[assignment]
    threading.Thread(target=_die_with_the_checkpoint, args=(snapshot_of(folder),), daemon=True).start()
    train(config_of(base), folder)
