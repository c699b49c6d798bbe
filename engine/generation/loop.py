"""The engine loop: one thread that keeps a generator busy with the job that it was handed; no Ray in it.

In: a job, then work units (planned rows with what they are about), from any thread. Out: committed parts, and a ticket
that is done when the rows of a unit are all written; every row in becomes exactly one row out. The generator is touched
by the loop's thread alone.
"""

from __future__ import annotations

import itertools
import queue
import threading
from enum import Enum
from typing import TYPE_CHECKING

from engine.artifacts.prompts import PlannedRow
from engine.errors import BrokenInvariantError
from engine.generation.batch import JobBatch
from engine.generation.jobs import GenerationJob, Ticket
from engine.generation.totals import EngineTotals

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.generation.generator import Generator

_IDLE_SECONDS = 0.02
"""How long an idle loop waits for work before it looks whether it is to stop."""


class Rest(Enum):
    """What a loop that has nothing to do is told to do with its generator."""

    sleep = "sleep"
    wake = "wake"


class EngineLoop:
    """Drives one generator. `run` is called from one thread, all else may be called and read from any.

    Args:
        config: how the generator samples, its limits, and when parts are committed.
        index: the number of the engine, which names its parts.
    """

    def __init__(self, config: GeneratorConfig, index: int) -> None:
        self._config, self._index = config, index
        self._inbox: queue.SimpleQueue[tuple[Ticket, GenerationJob | list[PlannedRow] | Rest]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._batch: JobBatch | None = None
        self._request_ids = map(str, itertools.count())
        self.passes = 0
        """How often the loop went round, with work or without: it stands still while it hangs, and only then."""
        self.has_stepped = False
        """Whether the generator has finished a step since the loop began."""

    def hand_in(self, item: GenerationJob | list[PlannedRow] | Rest) -> Ticket:
        """Hands in a job, the rows of a unit of the last job, or a rest between jobs.

        Returns a ticket, which is done when it is.
        """
        ticket = Ticket(len(item) if isinstance(item, list) else 0)
        self._inbox.put((ticket, item))
        return ticket

    def totals(self) -> EngineTotals:
        """Returns what was done of the current job so far."""
        return self._batch.totals if self._batch else EngineTotals()

    @property
    def num_sent(self) -> int:
        """Returns the number of parts that are on their way to where they are shared."""
        return self._batch.num_sent if self._batch else 0

    def stop(self) -> None:
        """Asks the loop to commit and return; what is in flight is dropped."""
        self._stopping.set()

    def run(self, generator: Generator) -> None:
        """Works until `stop`, and then commits the open part.

        Raises:
            FencedError: a newer start of the driver has taken over. What a generator raises is passed on too.
        """
        while not self._stopping.is_set():
            self._take_in(generator)
            if self._batch:
                self._batch.send()
                self.has_stepped |= self._batch.receive()
                self._batch.commit_when_due(nothing_to_take=self._inbox.empty())
            self.passes += 1
        if self._batch:
            self._batch.commit()

    def _take_in(self, generator: Generator) -> None:
        """Takes one thing that was handed in; waits a moment for it if there is nothing else to do."""
        is_idle = self._batch is None or self._batch.is_idle
        try:
            ticket, item = self._inbox.get(timeout=_IDLE_SECONDS) if is_idle else self._inbox.get_nowait()
        except queue.Empty:
            return
        if isinstance(item, GenerationJob):
            self._begin(item, generator)
            ticket.done.set()
        elif isinstance(item, Rest):
            if not is_idle:
                raise BrokenInvariantError("an engine was told to rest before all that it was given was written")
            (generator.sleep if item is Rest.sleep else generator.wake)()
            ticket.done.set()
        else:
            if self._batch is None:
                raise BrokenInvariantError("units came before a job")
            self._batch.take(item, ticket)

    def _begin(self, job: GenerationJob, generator: Generator) -> None:
        if self._batch:
            if not self._batch.is_idle:
                raise BrokenInvariantError("a job began before all rows of the one before were written")
            self._batch.commit()
        self._batch = JobBatch(job, generator, self._config, self._index, self._request_ids)
