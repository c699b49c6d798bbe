"""Reports from a worker to the driver how far training is, while Ray Train runs.

In: points of the loss curve, sent by rank 0. Out: a bar on the driver's terminal and points in the tracker. An actor
that takes no CPU holds the points in between, so that neither side waits for the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ray

if TYPE_CHECKING:
    from engine.runtime.place import Place

_POLL_SECONDS = 0.5

T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    """The loss and the learning rate of one logged step."""

    step: int
    loss: float
    learning_rate: float

    @property
    def metrics(self) -> dict[str, float]:
        """Returns what the tracker is told."""
        return {"loss": self.loss, "learning_rate": self.learning_rate}


@dataclass(frozen=True)
class ValidationPoint:
    """The score of a validation after some step."""

    step: int
    ndcg: float

    @property
    def metrics(self) -> dict[str, float]:
        """Returns what the tracker is told."""
        return {"validation_ndcg_at_10": self.ndcg}


class _Curve:
    """The points of the loss curve that are on their way to the driver."""

    def __init__(self) -> None:
        self._waiting: list[Point | ValidationPoint] = []

    def add(self, point: Point | ValidationPoint) -> None:
        """Keeps a point until the driver takes it."""
        self._waiting.append(point)

    def take(self) -> list[Point | ValidationPoint]:
        """Returns the points that came since the last call."""
        taken, self._waiting = self._waiting, []
        return taken


def start_curve() -> Any:
    """Starts the actor and returns its handle, which the workers get.

    It lives where the driver does: on another node it would end the training with that node, which the workers outlive.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(_Curve).remote()


def watch(train: Callable[[], T], curve: Any, total_steps: int, place: Place, earlier_steps: int = 0) -> T:
    """Calls `train`, shows its progress until it returns, and returns or raises what it does.

    It is called in a thread of its own: in the main thread Ray Train would put a handler in the place of Ctrl-C that
    ends the process with success.

    Args:
        train: starts the workers and waits for them.
        curve: the actor that rank 0 sends its points to.
        total_steps: the length of the bar.
        place: the machine, with its terminal and its tracker.
        earlier_steps: the steps of earlier iterations, from where the tracker counts on.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(train())
        except BaseException as error:  # raised again in the main thread
            failure.append(error)

    thread = threading.Thread(target=run, name="ray-train", daemon=True)
    thread.start()
    with place.console.progress("model", total_steps, "steps") as bar:
        last_step = 0
        while True:
            thread.join(_POLL_SECONDS)
            ended = not thread.is_alive()  # asked first, so that no point can come after the last look
            for point in ray.get(curve.take.remote()):
                place.tracker.log("model", point.metrics, earlier_steps + point.step)
                if isinstance(point, ValidationPoint):
                    continue  # the bar goes by the steps that were logged
                if not 0 < last_step < point.step:
                    bar.start_at(point.step)  # the first point, of this attempt or of one after a failure
                last_step = point.step
                bar.reach(last_step)
            if ended:
                break
    if failure:
        raise failure[0]
    return outcome[0]


def last_lines(log: Path, count: int = 15) -> str:
    """Returns the end of a worker's log, for the message of an error; nothing where there is no log."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
