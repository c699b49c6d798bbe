"""Runs a point in a process of its own, and can end it.

In: a Point. Out: how it ended, in one line. The process is the command that a person would type, so that a point can be
repeated by hand, and whatever ends it ends nothing else. Its output goes to a file. It ends with the one that waits for
it (`lifeline.py`); a point that somebody else is running, or that is still ending, is waited for.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from engine.errors import UserError
from engine.runtime.own_packages import search_path
from engine.storage.files import is_locked, locked, make_folder
from engine.storage.run_folders import lock_file
from engine.sweeps.lifeline import PATIENCE_SECONDS, lifeline
from engine.sweeps.points import Point

STOPPED_EARLY, INTERRUPTED = 3, 130
"""The exit codes of a run whose budget is used up, and of one that was interrupted."""
_TAIL_BYTES = 4096
_LOOK_SECONDS = 0.5
"""So often a lock is tried that another process holds; nothing interrupts a thread that waits for it in the kernel."""


class State(Enum):
    """How a point ended."""

    unchanged = "unchanged"
    """It was finished before."""
    finished = "finished"
    ended_early = "ended early"
    """A budget that it was given is used up."""
    interrupted = "interrupted"
    failed = "failed"


@dataclass(frozen=True)
class Outcome:
    """How a point ended."""

    point: Point
    state: State
    seconds: float = 0.0
    said: str = ""
    """The last line of a point that did not finish."""


@dataclass
class Processes:
    """The points that run now, so that all of them can be ended at once.

    Attributes:
        variables: the environment variables that a point is given; None: those of this process.
        on_wait: told of a point that another process runs, or is still ending, when it begins to be waited for.
    """

    variables: Mapping[str, str] | None = None
    on_wait: Callable[[Point], None] = lambda _: None
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self, point: Point, is_finished: Callable[[], bool]) -> Outcome:
        """Runs a point to its end, unless it is finished once nobody else runs it.

        Whatever goes wrong on the way, such as a log that may not be written, is a failure of this point.

        Args:
            point: the point.
            is_finished: tells whether it is, asked when nobody else can be making it.
        """
        try:
            return self._run(point, is_finished)
        except Exception as error:  # it is told with the outcome, as whatever ends a point
            return failed_by(error, point)

    def _run(self, point: Point, is_finished: Callable[[], bool]) -> Outcome:
        make_folder(point.run_dir.parent, where=f"run_dir={point.run_dir}")
        with self._holding(point) as is_held:
            if not is_held:
                return Outcome(point, State.interrupted)
            if is_finished():
                return Outcome(point, State.unchanged)
            # A process that was asked to end, or whose sweep was killed, holds it until it has committed.
            held = [lock_file(run_dir) for run_dir in (point.run_dir, *point.after)]
            self._wait_while(lambda: any(map(is_locked, held)), point)
            started = time.monotonic()
            with point.log_file.open("wb") as log:
                process = self._start(point, log.fileno())
            if process is None:
                return Outcome(point, State.interrupted)
            try:
                code = process.wait()
            finally:
                self._end(process)
            return _outcome(point, code, time.monotonic() - started)

    def end(self) -> None:
        """Asks every running point to commit and end, and lets no other begin; `run` then returns.

        A point that does not end in time is killed.
        """
        with self._lock:
            self._ending.set()
            for process in self._running:
                process.terminate()
                killer = threading.Timer(PATIENCE_SECONDS, process.kill)  # which does nothing to one that has ended
                killer.daemon = True
                killer.start()

    @contextlib.contextmanager
    def _holding(self, point: Point) -> Iterator[bool]:
        """Waits for the lock of a point, for as long as points are not ended; gives whether it is held."""
        with contextlib.ExitStack() as stack:

            def is_taken() -> bool:
                try:
                    stack.enter_context(locked(point.lock_file, wait=False))
                except BlockingIOError:
                    return True
                return False

            yield self._wait_while(is_taken, point)

    def _wait_while(self, is_taken: Callable[[], bool], point: Point) -> bool:
        """Waits for what another process has, and says so once; returns False where points are ended meanwhile."""
        is_told = False
        while not self._ending.is_set():
            if not is_taken():
                return True
            if not is_told:
                self.on_wait(point)
            is_told = True
            self._ending.wait(_LOOK_SECONDS)
        return False

    def _start(self, point: Point, log: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._ending.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine", *point.arguments],  # never a folder here that is called engine
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the sweep alone, which ends its points in order
            )
            self._running.add(process)
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)
        if process.poll() is None:  # whoever waited was interrupted
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
            process.kill()
            process.wait()

    def _environment(self) -> Mapping[str, str]:
        variables = os.environ if self.variables is None else self.variables
        return {**variables} | search_path() | {"PYTHONUNBUFFERED": "1"} | lifeline()


def last_line(log: Path) -> str:
    """Returns the last line of a log that says anything; empty where none does."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def failed_by(error: Exception, point: Point) -> Outcome:
    """Returns the outcome of a point that an error here kept from its end; where it is a fault of ours, the log has it.

    The error is the one that is being handled.
    """
    if isinstance(error, UserError):
        return Outcome(point, State.failed, said=str(error))
    if not isinstance(error, OSError):
        with contextlib.suppress(OSError), point.log_file.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    return Outcome(point, State.failed, said=f"{type(error).__name__}: {error}")


def _outcome(point: Point, code: int, seconds: float) -> Outcome:
    if code == 0:
        return Outcome(point, State.finished, seconds)
    states = {STOPPED_EARLY: State.ended_early, INTERRUPTED: State.interrupted}
    said = last_line(point.log_file).removeprefix("synthmill: ")
    if code < 0:
        said = f"ended by signal {-code}" + (f" after: {said}" if said else "")
    return Outcome(point, states.get(code, State.failed), seconds, said)


def check_concurrency(concurrency: int, key: str) -> None:
    """Refuses a number of points at a time below zero; 0 stands for `points_at_a_time`.

    Raises:
        UserError: it is.
    """
    if concurrency < 0:
        raise UserError(f"{concurrency} is too small", where=f"{key}={concurrency}", remedy="set it to 1 or more")


def check_ports(ports: Iterable[int], at_a_time: int, key: str) -> None:
    """Refuses metrics of points that would listen at one port at the same time: all but one would fail.

    Args:
        ports: `watch.metrics_port` of each point that there may be; 0 for none.
        at_a_time: so many points run at a time.
        key: what sets that number.

    Raises:
        UserError: two points have the same port, and more than one runs at a time.
    """
    several = [port for port, count in Counter(ports).items() if port and count > 1]
    if several and at_a_time > 1:
        remedy = f"leave it out, run one point at a time ({key}=1), or give each point of a grid a port of its own"
        raise UserError(
            f"{at_a_time} points at a time have one port", where=f"watch.metrics_port={several[0]}", remedy=remedy
        )


def points_at_a_time(concurrency: int, address: str) -> int:
    """Returns how many points run at a time: as told, or two; one where all of them would take the same GPU.

    Args:
        concurrency: as told; 0 leaves it open.
        address: `cluster.address`: with `local` every point has a Ray of its own, which knows nothing of the others.
    """
    return concurrency or (1 if address == "local" and Path("/dev/nvidiactl").exists() else 2)
