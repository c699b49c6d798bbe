"""One Weights & Biases run with a section per noun, or nothing at all behind the same two methods.

Offline by default: the run is a folder, nothing asks for a login, nothing leaves the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from engine.identity import place


class Mode(Enum):
    """Where metrics go."""

    off = "off"
    offline = "offline"
    online = "online"


@dataclass(frozen=True)
class TrackingConfig:
    """What is tracked never changes what is computed."""

    mode: Mode = place(Mode.offline)
    project: str = place("synthmill")
    run_name: str = place("")
    """Empty: the run folder's name."""


class Tracker(Protocol):
    """Where a step's figures go."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """One point of a curve, as `noun/metric` over `noun/step`."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Final figures of a step, nested mappings flattened with dots."""

    def finish(self) -> None:
        """Closes the run."""


class NoTracker:
    """`tracking=off`: takes everything, keeps nothing."""

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """Drops the point."""

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Drops the figures."""

    def finish(self) -> None:
        """Does nothing."""


class WandbTracker:
    """A W&B run, started at the first thing tracked, so that a run that skips every step starts none."""

    def __init__(self, config: TrackingConfig, run_dir: Path, run_config: dict[str, Any]) -> None:
        self._config, self._run_dir, self._run_config = config, run_dir, run_config
        self._run: Any = None

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        """One point of a curve."""
        run = self._start()
        run.log({f"{noun}/{name}": value for name, value in metrics.items()} | {f"{noun}/step": step})

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        """Final figures of a step."""
        self._start().summary.update({f"{noun}/{name}": value for name, value in flatten(values).items()})

    def finish(self) -> None:
        """Closes the run, if one was started."""
        if self._run is not None:
            self._run.finish()

    def _start(self) -> Any:
        if self._run is None:
            import wandb

            folder = self._run_dir / "tracking"
            folder.mkdir(exist_ok=True)
            self._run = wandb.init(
                mode="offline" if self._config.mode is Mode.offline else "online",
                project=self._config.project,
                name=self._config.run_name or self._run_dir.name,
                dir=str(folder),
                config=self._run_config,
                settings=wandb.Settings(console="off", silent=True, x_disable_stats=True),
            )
            for noun in ("samples", "model"):
                self._run.define_metric(f"{noun}/*", step_metric=f"{noun}/step")
        return self._run


def make_tracker(config: TrackingConfig, run_dir: Path, run_config: dict[str, Any]) -> Tracker:
    """The tracker that the config asks for."""
    return NoTracker() if config.mode is Mode.off else WandbTracker(config, run_dir, run_config)


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` -> `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
