"""Watches a run from inside: a thread that writes its status every few seconds, and says where it stands still.

In: what the terminal of the run knows (engine/runtime/activity.py), its engines, its tracker. Out: the status file; a
line on the terminal when a phase stands still, and when it goes on; points of the curve of generation. The thread looks
at what is there anyhow: steps do nothing for it, and no row is counted twice.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import StoppedEarly, UserError
from engine.runtime.secrets import redacted
from engine.runtime.step import Step
from engine.storage.store import Store, is_done
from engine.text.durations import format_seconds
from engine.watch.curves import GenerationCurve
from engine.watch.engines import engine_lives, engines_of, totals_of
from engine.watch.status import RunState, Status, status_file, this_driver, touch_status, write_status
from engine.watch.stillness import Still, Stillness
from engine.watch.times import TimeAccount

if TYPE_CHECKING:
    from pathlib import Path

    from engine.runtime.activity import Moment
    from engine.runtime.place import Place
    from engine.watch.config import WatchConfig


class Monitor:
    """Writes the status of one run.

    Args:
        config: how often, and what counts as standing still.
        place: the place of the run.
        steps: what the run makes, in order.
    """

    def __init__(self, config: WatchConfig, place: Place, steps: Sequence[Step]) -> None:
        self._config, self._place, self._steps = config, place, dict(zip(_labels(steps), steps, strict=True))
        self._store = Store(place.store_dir)
        self._run_dir = place.run_dir.resolve()
        self._driver, self._began = this_driver(), time.time()
        self._beats, self._has_begun = 0, False
        self._made = set[str]()
        self._times = TimeAccount(time.monotonic())
        self._stillness = Stillness(config.still_factor, config.still_seconds)
        self._still: dict[tuple[str, str], Still] = {}
        self._curve, self._tracks = GenerationCurve(), True
        self._last: Status | None = None
        self._failed = set[str]()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[Monitor]:
        """Watches for as long as the block lasts, and writes down how it ended."""
        thread = threading.Thread(target=self._watch, name="monitor", daemon=True)
        thread.start()
        state, message = RunState.finished, ""
        try:
            yield self
        except BaseException as error:
            state, message = _ending(error)
            raise
        finally:
            self._stop.set()
            thread.join()
            self._end(state, message)

    def begin(self) -> None:
        """Takes note that the run folder is this run's from now on, and writes there; see `status_file`."""
        self._has_begun = True

    def has_made(self, step: Step) -> None:
        """Takes note that the run has the result of a step, which need not be on this disk."""
        self._made.add(step.fingerprint)

    def _is_made(self, step: Step) -> bool:
        """Tells whether a step is made as far as is known without asking a store elsewhere every few seconds."""
        return step.fingerprint in self._made or is_done(self._store.folder(step.noun, step.fingerprint))

    def _watch(self) -> None:
        while True:
            self._beat()
            with self._saying_once("the curve of generation is not tracked any more"):
                self._track_until_it_fails()
            if self._stop.wait(self._config.every_seconds):
                return

    def _beat(self, state: RunState = RunState.running, message: str = "") -> None:
        """Looks at the run, and writes what is seen; where looking fails, how the run is goes with what was seen last.

        Where the file cannot be written, it is touched: whoever watches from elsewhere sees that the driver lives.
        """
        with self._saying_once("the run cannot be looked at"):
            self._last = self.look()
        if self._last is None:
            return
        status = replace(self._last, state=state, message=message, has_begun=self._has_begun)
        with self._saying_once("the status of the run cannot be written"):
            try:
                self._write(status)
            except Exception:
                with contextlib.suppress(OSError):  # what could not be written says more
                    touch_status(self._file(status))
                raise

    @contextlib.contextmanager
    def _saying_once(self, what: str) -> Iterator[None]:
        """Says in one line what fails in the block, and goes on.

        Nothing that watching meets may end the watching, which would pass for the death of the driver, or take the
        place of how the run ended. A SystemExit among it says that nobody reads the terminal any more.
        """
        try:
            yield
        except (Exception, SystemExit) as error:  # whatever it is: nobody above a thread sees it
            if what in self._failed:
                return
            self._failed.add(what)
            with contextlib.suppress(Exception, SystemExit):  # the terminal may be what fails
                self._place.console.warn(redacted(f"{what}: {type(error).__name__}: {error}"))

    def look(self) -> Status:
        """Takes the status of this moment, and tells the terminal what stands still or goes on again."""
        clock, moment = time.monotonic(), self._place.console.activity.moment()
        self._tell(self._stillness.look(moment.counts, time.monotonic()), moment)
        engines, wanted = engine_lives(self._place.engines)
        self._beats += 1
        return Status(
            driver=self._driver,
            state=RunState.running,
            began=self._began,
            written=time.time(),
            beats=self._beats,
            every_seconds=self._config.every_seconds,
            steps=list(self._steps),
            made=[label for label, step in self._steps.items() if self._is_made(step)],
            moment=replace(moment, line=_redacted_line(moment.line)),
            engines=engines,
            engines_wanted=wanted,
            still=[in_words(still) for still in self._still.values()],
            times=self._times.look(moment, engines_of(self._place.engines), time.monotonic()),
            has_begun=self._has_begun,
            clock=clock,
        )

    def _tell(self, still: Sequence[Still], moment: Moment) -> None:
        now = {(phase.noun, phase.unit): phase for phase in still}
        for key, phase in now.items():
            if key not in self._still:
                self._place.console.warn(in_words(phase))
        for noun, unit in {(count.noun, count.unit) for count in moment.counts} & (self._still.keys() - now.keys()):
            self._place.console.step(noun, f"{unit} go on")
        self._still = now

    def _write(self, status: Status) -> None:
        write_status(self._file(status), status)
        if status.has_begun:
            status_file(self._run_dir, has_begun=False).unlink(missing_ok=True)

    def _file(self, status: Status) -> Path:
        return status_file(self._run_dir, has_begun=status.has_begun)

    def _track_until_it_fails(self) -> None:
        """Tracks a point; a tracker that fails is told nothing more."""
        if self._tracks and self._last is not None:
            self._tracks = False
            self._track(self._last)
            self._tracks = True

    def _track(self, status: Status) -> None:
        """Tracks a point of the curve of generation, where it has moved."""
        if not status.has_begun:
            return
        moved = self._curve.look(status.moment, status.clock)
        if moved is None:
            return
        totals = totals_of(self._place.engines)
        point = {
            "finished": float(moved.done),
            "samples_per_second": moved.per_second,
            "engines": float(sum(engine.state == "working" for engine in status.engines)),
            "failed": float(totals.failed),
            "output_tokens": float(totals.output_tokens),
        }
        self._place.tracker.log(moved.entry, point, moved.done)

    def _end(self, state: RunState, message: str) -> None:
        """Writes the last status; one of a run that never began to change its folder leaves nothing behind."""
        if self._has_begun:
            self._beat(state, message)
            return
        with self._saying_once("the status of the run cannot be removed"):
            status_file(self._run_dir, has_begun=False).unlink(missing_ok=True)


def in_words(still: Still) -> str:
    """Says that a phase stands still."""
    usual = f"; usually it counts some every {format_seconds(still.usual_seconds)}" if still.usual_seconds else ""
    return f"{still.noun}: no {still.unit} for {format_seconds(still.seconds)}{usual}"


def _labels(steps: Sequence[Step]) -> list[str]:
    """Names steps by their entries in the run folder; rounds make an entry several times, and are numbered."""
    totals, seen, labels = Counter(step.entry for step in steps), Counter[str](), list[str]()
    for step in steps:
        seen[step.entry] += 1
        number = f" ({seen[step.entry]} of {totals[step.entry]})" if totals[step.entry] > 1 else ""
        labels.append(f"{step.entry}{number}")
    return labels


def _redacted_line(line: str) -> str:
    """Redacts what stands behind the first word of a line, which would pass for the name of what follows it."""
    word, colon, text = line.partition(": ")
    return f"{word}{colon}{redacted(text)}"


def _ending(error: BaseException) -> tuple[RunState, str]:
    if isinstance(error, KeyboardInterrupt):
        return RunState.interrupted, ""
    text = redacted(str(error))
    if isinstance(error, StoppedEarly):
        return RunState.out_of_time, text
    if isinstance(error, UserError):
        return RunState.refused, text
    return RunState.failed, f"{type(error).__name__}: {text}"
