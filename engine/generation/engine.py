"""One engine as the driver has it: the life of its actor, the units that it holds, and what it reported last.

    loading -> ready -> working        and from each of them: dead

In: answers of the actor. Out: the state that follows from them. Nothing here waits: the group of engines
(engine/generation/engines.py) waits for all of them at once.
"""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.generation.actor import Loaded, Report
from engine.generation.endings import EngineEndedError, answer_of
from engine.generation.jobs import GenerationJob, Unit
from engine.generation.processors import Processors
from engine.generation.totals import EngineTotals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from engine.generation.config import GeneratorConfig

_FIRST_STEP_FACTOR = 5
"""The first step of an engine may take so many times longer than others."""


class EngineState(Enum):
    """Where an engine is in its life."""

    loading = "loading"
    """Its actor was asked for, and has not said that it is loaded."""
    ready = "ready"
    """It is loaded; it has no job, or has not said that it took the job in."""
    working = "working"
    """It has taken the job in, and can be given units."""
    dead = "dead"
    """It has ended, or was given up because it does not answer or does not move on."""


@dataclass
class Engine:
    """The driver's side of one engine."""

    index: int
    actor: Any
    log: Path
    log_start: int
    """Size of the log when the engine started: what an earlier run wrote there is not about this one."""
    config: GeneratorConfig
    has_smaller_limits: bool
    """Whether `config` was lowered because an engine found too little memory."""
    processors: Processors
    seed: int
    """Where its random draws begin; no two engines have the same."""
    state: EngineState = EngineState.loading
    began: float = 0.0
    """When it began to load for its job, or was told of it where it had one before, in seconds of the epoch; 0 before
    it is loaded."""
    has_loaded: bool = False
    """Whether it has been loaded, whatever became of it."""
    cache_tokens: int = 0
    can_sleep: bool = False
    """Whether it can give the memory of its GPU back between two jobs."""
    job: GenerationJob | None = None
    """The last job that it was told of."""
    promise: Any = None
    """The call that moves it on: that it is loaded, or has taken the job in; None where it owes no such answer."""
    question: Any = None
    """The call for a report that it has not answered."""
    units: dict[Any, Unit] = field(default_factory=dict)
    """Units that are in flight, by the reference that their call returns."""
    rows_in_flight: int = 0
    """Rows of all these units."""
    rows_given: int = 0
    """Rows of all units that it was given of the job."""
    settled: list[Unit] = field(default_factory=list)
    """Units that are written, but perhaps still in the open part."""
    totals: EngineTotals | None = None
    """What it reported last of the job; None before it has reported."""
    ended: EngineEndedError | None = None
    """How it ended."""
    reason: str = ""
    """Why it ended, in one line that also knows its log."""
    _settled_when_asked: int = 0
    _finished: collections.deque[tuple[int, int]] = field(default_factory=collections.deque)
    """Of the settled units that a report covers, the first before the others: how many samples the engine had finished
    by then, and how many units: once it has committed as many samples, they are committed."""
    _reported: collections.deque[EngineTotals] = field(default_factory=collections.deque)
    """What it reported of samples of which not all are known to be committed, the first before the others; and before
    these the last report of which all are."""
    _passes: int = -1
    _has_stepped: bool = False
    _seconds_still: float = 0.0

    @property
    def is_loaded(self) -> bool:
        """Tells whether the engine is loaded and lives."""
        return self.state in (EngineState.ready, EngineState.working)

    @property
    def has_begun(self) -> bool:
        """Tells whether the engine's process runs, or ran: the first thing that it does is to write to its log."""
        return self.log.exists() and self.log.stat().st_size > self.log_start

    @property
    def is_busy(self) -> bool:
        """Tells whether any row that was given to the engine may not be committed yet."""
        return bool(self.units or self.settled)

    @property
    def unfinished_rows(self) -> int:
        """Returns the most rows that it may have left to compute.

        A unit is in flight until its slowest row is written, and by then nothing else of it may be left: reports tell
        that. Between two of them units that are written tell more.
        """
        reported = self.rows_given - (self.totals.finished if self.totals else 0)
        return min(self.rows_in_flight, reported)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Takes it for dead where the body finds out that it has ended."""
        try:
            yield
        except EngineEndedError as ended:
            self.state, self.ended = EngineState.dead, ended

    def become_ready(self, loaded: Loaded) -> None:
        """Notes that it is loaded."""
        self.state, self.has_loaded, self.began = EngineState.ready, True, time.time() - loaded.seconds
        self.cache_tokens, self.can_sleep = loaded.cache_tokens, loaded.can_sleep

    def open(self, job: GenerationJob) -> None:
        """Tells it of a job; it is ready until it has taken the job in. What it held before is not this job's."""
        if self.job is not None:
            self.began = time.time()
        self.state, self.job, self.promise = EngineState.ready, job, self.actor.open.remote(job)

    def begin(self) -> None:
        """Notes that it has taken the job in. What it was asked before was about an earlier one."""
        self.state, self.totals, self.question, self.rows_given = EngineState.working, None, None, 0
        self._reported.clear()

    def give(self, unit: Unit) -> None:
        """Gives it a unit."""
        self.units[self.actor.process.remote(unit.rows)] = unit
        self.rows_in_flight += unit.size
        self.rows_given += unit.size

    def settle(self, answered: set[Any]) -> None:
        """Takes note of the units that are written.

        Args:
            answered: references of calls that are answered.

        Raises:
            EngineEndedError: it has ended.
        """
        for reference in [reference for reference in self.units if reference in answered]:
            answer_of(reference)
            self.count_written(reference)

    def count_written(self, reference: Any) -> None:
        """Notes that a unit is written, by the reference that giving it returned."""
        unit = self.units.pop(reference)
        self.rows_in_flight -= unit.size
        self.settled.append(unit)

    def ask(self) -> Any:
        """Asks for a report, and returns the call: it covers the units that are settled by now, no later ones."""
        self.question, self._settled_when_asked = self.actor.report.remote(), len(self.settled)
        return self.question

    def hear_or_wait(self, answered: set[Any], seconds: float) -> None:
        """Takes its report if there is one; time in which its loop has not moved on counts against it.

        Args:
            answered: references of calls that are answered.
            seconds: how long the driver has listened since the last time.

        Raises:
            EngineEndedError: it has ended, or has not moved on for too long.
        """
        if self.question not in answered or not self.hear(answer_of(self.question)):
            self.stand_still(seconds)

    def hear(self, report: Report) -> bool:
        """Takes the report that it was asked for, and returns whether its loop has moved on since the one before."""
        has_moved = report.passes != self._passes
        if has_moved:
            self._seconds_still = 0.0
        self.question, self._passes, self._has_stepped = None, report.passes, report.has_stepped
        if self.state is EngineState.working:
            self.count(report.totals, self._settled_when_asked)
        return has_moved

    def count(self, totals: EngineTotals, num_settled: int) -> None:
        """Takes what it says of the job.

        Args:
            totals: what it has done of the job.
            num_settled: units that were settled when it was asked, so that what it has finished holds them.
        """
        self.totals = replace(totals, cpus=self.processors.cpus, gpus=self.processors.gpus, began=self.began)
        if (more := num_settled - sum(number for _, number in self._finished)) > 0:
            self._finished.append((totals.finished, more))
        # Rows are committed in the order in which they were finished.
        self._reported.append(totals)
        while len(self._reported) > 1 and self._reported[1].finished <= totals.committed:
            self._reported.popleft()
        while self._finished and self._finished[0][0] <= totals.committed:
            del self.settled[: self._finished.popleft()[1]]

    def stand_still(self, seconds: float) -> None:
        """Counts time in which it was listened to; the next report of a loop that moved on sets the count back.

        Raises:
            EngineEndedError: it has not moved on for too long: it hangs, or cannot be reached.
        """
        self._seconds_still += seconds
        allowed = self.config.max_step_seconds * (1 if self._has_stepped else _FIRST_STEP_FACTOR)
        if self._seconds_still > allowed:
            raise EngineEndedError(f"it finished no step in {allowed:g} s (samples.max_step_seconds)")

    def count_only(self, num_committed: int) -> EngineTotals:
        """Returns the totals of a dead engine: of its samples only those count that it had committed.

        How many of these failed is known as of the last report of which all are committed.
        """
        last = self.totals or EngineTotals(cpus=self.processors.cpus, gpus=self.processors.gpus, began=self.began)
        committed = [report for report in self._reported if report.finished <= num_committed]
        known = committed[-1] if committed else EngineTotals()
        return replace(
            last,
            generated=num_committed - known.failed,
            committed=num_committed,
            failed=known.failed,
            turned_down=known.turned_down,
        )

    def uncommitted(self, committed: npt.NDArray[np.int64]) -> Iterator[Unit]:
        """Gives back the rows that the engine was given and that are not among the committed ids."""
        for unit in (*self.units.values(), *self.settled):
            rows = unit.rows.filter(pc.invert(pc.is_in(unit.rows["sample_id"], pa.array(committed))))
            if rows.num_rows:
                yield Unit(unit.prefix, rows)
