"""One Weights & Biases run with a section per noun, or nothing at all behind the same methods.

It is offline by default: the run is a folder, nothing asks for a login, and nothing leaves the machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from engine.errors import UserError
from engine.runtime.identity import placement
from engine.runtime.secrets import masked
from engine.storage.typed import flatten

_NOT_IN_PROJECT = "/\\#?%:"
"""Characters that W&B allows in no project's name."""
_LONGEST_PROJECT = 128


class Mode(Enum):
    """Where metrics go."""

    off = "off"
    offline = "offline"
    online = "online"


@dataclass(frozen=True)
class TrackingConfig:
    """Where figures are tracked; it never changes what is computed."""

    mode: Mode = placement(Mode.offline)
    project: str = placement("synthmill")
    run_name: str = placement("")
    """The name of the run in W&B; empty stands for that of the run folder."""
    group: str = placement("")
    """The group of the run in W&B; empty for none. Points of a sweep have its name."""
    figures: str = placement("")
    """A file to which every point of a curve is appended as a line of JSON, whatever `mode` says; empty for none."""

    def __post_init__(self) -> None:
        """Refuses a project's name that W&B refuses, which it does when the first figure is tracked."""
        where, name = f"tracking.project={self.project}", self.project
        if wrong := sorted({character for character in name if character in _NOT_IN_PROJECT}):
            remedy = f"leave {' '.join(wrong)} out"
            raise UserError(f"W&B allows none of {_NOT_IN_PROJECT} in a project's name", where=where, remedy=remedy)
        if not 0 < len(name) <= _LONGEST_PROJECT:
            remedy = f"give it 1 to {_LONGEST_PROJECT} characters"
            raise UserError(f"the project's name has {len(name)} characters", where=where, remedy=remedy)


class Tracker(Protocol):
    """Where a step's figures go."""

    def begin(self) -> None:
        """Takes note that the run folder is this run's from now on; nothing is written into it before."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Tracks one point of a curve, as `noun/metric` over `noun/step`."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tracks the final figures of a step; names in nested mappings are joined by dots."""

    def finish(self) -> None:
        """Closes the run."""


class NoTracker:
    """The tracker of `tracking=off`, which takes everything and keeps nothing."""

    def begin(self) -> None:
        """Does nothing."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Drops the point."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Drops the figures."""

    def finish(self) -> None:
        """Does nothing."""


class FiguresTracker:
    """Another tracker, with every point of a curve in a file as well, for whoever follows a run from outside."""

    def __init__(self, file: Path, other: Tracker) -> None:
        self._file, self._other = file, other

    def begin(self) -> None:
        """Tells the other tracker."""
        self._other.begin()

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Appends the point as one line, which a reader may see without its line feed for a moment."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"noun": noun, "step": step, **metrics}) + "\n")
        self._other.log(noun, metrics, step)

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tells the other tracker."""
        self._other.summary(noun, values)

    def finish(self) -> None:
        """Tells the other tracker."""
        self._other.finish()


class WandbTracker:
    """A W&B run, started at the first thing tracked, so that a run that skips every step starts none.

    It lives in the run folder, which is this run's once `begin` was called; figures of the steps before that wait in
    memory, so that a run that is refused leaves the folder as it was. Secrets of the config are masked, and what W&B
    would note of the machine, the command and the git remote by itself is left out: a command may hold a token.
    """

    def __init__(self, config: TrackingConfig, run_dir: Path, run_config: dict[str, Any]) -> None:
        self._config, self._run_dir, self._run_config = config, run_dir, run_config
        self._run: Any = None
        self._waiting: dict[str, Any] = {}
        self._begun = False

    def begin(self) -> None:
        """Passes on what waited."""
        self._begun = True
        self._pass_on()

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Tracks one point of a curve."""
        run = self._start()
        run.log({f"{noun}/{name}": value for name, value in metrics.items()} | {f"{noun}/step": step})

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Tracks the final figures of a step, which wait in memory until the run has begun."""
        self._waiting |= {f"{noun}/{name}": value for name, value in flatten(values).items()}
        self._pass_on()

    def finish(self) -> None:
        """Closes the run, if one was started; a second call does nothing."""
        if self._run is not None:  # what still waits otherwise was cut off while W&B started, and would start it anew
            self._pass_on()
            self._run.finish()
            self._run = None

    def _pass_on(self) -> None:
        if self._waiting and self._begun:
            self._start().summary.update(self._waiting)
            self._waiting = {}

    def _start(self) -> Any:
        if self._run is None:
            import wandb

            folder = self._run_dir / "tracking"
            folder.mkdir(exist_ok=True)
            self._run = wandb.init(
                mode="offline" if self._config.mode is Mode.offline else "online",
                project=self._config.project,
                name=self._config.run_name or self._run_dir.name,
                group=self._config.group or None,
                dir=str(folder),
                config=masked(self._run_config),
                settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_machine_info=True),
            )
            for noun in ("samples", "model"):
                self._run.define_metric(f"{noun}/*", step_metric=f"{noun}/step")
        return self._run


def make_tracker(config: TrackingConfig, run_dir: Path, run_config: dict[str, Any]) -> Tracker:
    """Makes the tracker that the config asks for.

    Raises:
        UserError: online tracking without a login; W&B would ask for one in the middle of the run.
    """
    if config.mode is Mode.online and not _has_login():
        raise UserError(
            "W&B knows no login on this machine",
            where="tracking=online",
            remedy="run `wandb login` or set WANDB_API_KEY, or leave tracking=offline",
        )
    tracker: Tracker = NoTracker() if config.mode is Mode.off else WandbTracker(config, run_dir, run_config)
    return FiguresTracker(Path(config.figures).expanduser(), tracker) if config.figures else tracker


def _has_login() -> bool:
    import wandb

    return bool(wandb.login(prompt=False, verify=False))
