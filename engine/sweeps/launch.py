"""Runs the points of a grid, some at a time, and says at the end which of them failed.

In: points. Out: their outcomes, and an exit code. A point that fails stops no other. The same command goes on: finished
points are not started, and the others find what they had made.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from engine.errors import UserError
from engine.runtime.console import Console
from engine.storage.files import is_locked
from engine.sweeps.points import Compose, Point, is_finished
from engine.sweeps.process import INTERRUPTED, STOPPED_EARLY, Outcome, Processes, State
from engine.text.durations import format_seconds

FAILED = 1
"""The exit code of a sweep of which points failed."""
_POLL_SECONDS = 1.0
"""So often the main thread looks whether it was interrupted: Python hands it a signal between two waits."""


def launch(points: Sequence[Point], at_a_time: int, compose: Compose, console: Console) -> list[Outcome]:
    """Runs points in processes of their own; returns how each ended, in their order.

    Args:
        points: what to run.
        at_a_time: the most of them that run at the same time.
        compose: composes the config of a point from its arguments; never called by two threads at once.
        console: where a line is printed as each point ends.

    Raises:
        KeyboardInterrupt: it came; the points that ran have committed what they had, and ended.
    """

    def say_so(point: Point) -> None:
        console.step("sweep", f"{point.label}: another process runs it; waiting for it")

    processes, composing, choosing = Processes(on_wait=say_so), threading.Lock(), threading.Lock()
    pending = [*points]

    def finished(point: Point) -> bool:
        with composing:
            try:
                return is_finished(compose(point.arguments))
            except UserError:  # the point says so itself, in its log and its outcome
                return False

    def run_next() -> Outcome:
        with choosing:  # one that another sweep runs comes last: others may end meanwhile
            point = next((point for point in pending if not _is_taken(point)), pending[0])
            pending.remove(point)
        outcome = processes.run(point, lambda: finished(point))
        console.step("sweep", f"{point.label}: {_in_words(outcome)}")
        return outcome

    console.step("sweep", f"{len(points)} points, {min(at_a_time, len(points))} at a time")
    executor = ThreadPoolExecutor(at_a_time)
    try:
        futures = [executor.submit(run_next) for _ in points]
        waiting: set[Future[Outcome]] = set(futures)
        while waiting:
            _, waiting = wait(waiting, _POLL_SECONDS, FIRST_COMPLETED)
        return sorted((future.result() for future in futures), key=lambda outcome: points.index(outcome.point))
    finally:
        processes.end()
        executor.shutdown(cancel_futures=True)


def _is_taken(point: Point) -> bool:
    """Tells whether another process runs a point; a lock that cannot be looked at is told of when it is to be taken."""
    try:
        return is_locked(point.lock_file)
    except OSError:
        return False


def tell(outcomes: Sequence[Outcome], console: Console) -> int:
    """Says how the points of a sweep ended, with a line for each that did not finish; returns the exit code.

    It is 0 where all are finished, 1 where one failed, and else that of a run which ended early or was interrupted.
    """
    counts = Counter(outcome.state for outcome in outcomes)
    console.step("sweep", ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]))
    for outcome in outcomes:
        if outcome.state not in (State.unchanged, State.finished):
            point = outcome.point
            console.warn(
                f"{outcome.state.value}: {point.label}: {outcome.said or 'it said nothing'} ({point.log_file})"
            )
    codes = {State.failed: FAILED, State.interrupted: INTERRUPTED, State.ended_early: STOPPED_EARLY}
    return next((code for state, code in codes.items() if counts[state]), 0)


def _in_words(outcome: Outcome) -> str:
    if outcome.state is State.unchanged:
        return "unchanged"
    return f"{outcome.state.value} in {format_seconds(outcome.seconds)}"
