"""Chooses the tracker that a config asks for, and refuses one that cannot work before anything costly.

In: a TrackingConfig. Out: a tracker.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.runtime.trackers.figures_tracker import FiguresTracker
from engine.runtime.trackers.mlflow_tracker import MlflowTracker
from engine.runtime.trackers.tensorboard_tracker import TensorBoardTracker
from engine.runtime.trackers.wandb_tracker import WandbTracker, has_login
from engine.runtime.tracking import Mode, NoTracker, Tracker, TrackingConfig
from engine.storage.files import make_folder

_PACKAGES = {Mode.tensorboard: ("tensorboardX", "tensorboardX"), Mode.mlflow: ("mlflow", "mlflow-skinny")}
"""What a tracker imports, and the package that brings it, where it is no requirement of ours."""


def make_tracker(
    config: TrackingConfig, run_dir: Path, run_config: dict[str, Any], warn: Callable[[str], None]
) -> Tracker:
    """Makes the tracker that the config asks for.

    Args:
        config: which one.
        run_dir: the run folder, which nothing is written into before the tracker's `begin`.
        run_config: the config of the run.
        warn: tells the person in one line that the tracker has failed, and is told nothing more.

    Raises:
        UserError: its library is not installed; there can be no folder for the file of figures; or online tracking
            without a login: W&B would ask for one in the middle of the run.
    """
    mode = config.mode
    module, package = _PACKAGES.get(mode, ("", ""))
    if module and importlib.util.find_spec(module) is None:
        remedy = f"install it (`pip install {package}`), or leave tracking=offline"
        raise UserError(f"{module} is not installed", where=f"tracking={mode.value}", remedy=remedy)
    if mode is Mode.online and not has_login():
        raise UserError(
            "W&B knows no login on this machine",
            where="tracking=online",
            remedy="run `wandb login` or set WANDB_API_KEY, or leave tracking=offline",
        )
    tracker = _choose(config, run_dir, run_config, warn)
    if not config.figures:
        return tracker
    file = Path(config.figures).expanduser()
    make_folder(file.parent, where=f"tracking.figures={config.figures}")
    return FiguresTracker(file, tracker, warn)


def _choose(config: TrackingConfig, run_dir: Path, run_config: dict[str, Any], warn: Callable[[str], None]) -> Tracker:
    match config.mode:
        case Mode.off:
            return NoTracker()
        case Mode.tensorboard:
            return TensorBoardTracker(config, run_dir, run_config, warn)
        case Mode.mlflow:
            return MlflowTracker(config, run_dir, run_config, warn)
        case _:
            return WandbTracker(config, run_dir, run_config, warn)
