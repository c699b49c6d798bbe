"""How far training is, from a worker to the driver, while Ray Train runs.

An actor that takes no CPU holds the points that rank 0 sends and the driver takes; neither waits for the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

if TYPE_CHECKING:
    from engine.runtime.place import Place


POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Point:
    """One step of the loss curve; `loss` is None at steps that did not log."""

    step: int
    loss: float | None
    learning_rate: float


class _Curve:
    """Points of the loss curve on their way to the driver."""

    def __init__(self) -> None:
        self._waiting: list[Point] = []

    def add(self, point: Point) -> None:
        """One more."""
        self._waiting.append(point)

    def take(self) -> list[Point]:
        """What came since the last call."""
        taken, self._waiting = self._waiting, []
        return taken


def start_curve() -> Any:
    """The actor; pass the handle to the workers."""
    return ray.remote(num_cpus=0)(_Curve).remote()


def watch(fit: Callable[[], Mapping[str, Any]], curve: Any, total_steps: int, place: Place) -> Mapping[str, Any]:
    """Runs `fit` and shows its progress until it returns; what it raises is raised here.

    `fit` runs in a thread of its own: in the main thread Ray Train would put a handler in the place of Ctrl-C that ends
    the process with success.
    """
    outcome: list[Mapping[str, Any]] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(fit())
        except BaseException as error:  # raised again in the main thread
            failure.append(error)

    thread = threading.Thread(target=run, name="ray-train", daemon=True)
    thread.start()
    with place.console.progress("model", total_steps, "steps") as bar:
        reached = 0
        while True:
            thread.join(POLL_SECONDS)
            alive = thread.is_alive()
            for point in ray.get(curve.take.remote()):
                if not 0 < reached < point.step:
                    bar.start_at(point.step)  # the first point, of this attempt or of one after a failure
                reached = point.step
                bar.reach(reached)
                if point.loss is not None:
                    place.tracker.log("model", {"loss": point.loss, "learning_rate": point.learning_rate}, point.step)
            if not alive:
                break
    if failure:
        raise failure[0]
    return outcome[0]


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a worker's log, for the message of an error."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
