"""What an engine has written for a job: the part that is open, when it is committed, and the totals.

In: conversations that are over. Out: committed parts, one row for each. A part is committed when it is large enough,
when it is old enough, or when the engine has nothing else to do. Where parts are shared beyond this disk they are sent
(engine/generation/sending.py), and few at a time, so that what is lost with an engine is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.artifacts.samples import samples_schema
from engine.generation.conversation import Conversation
from engine.generation.sending import PartSender
from engine.generation.totals import EngineTotals
from engine.storage.parts import PartWriter

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.generation.jobs import GenerationJob
    from engine.task.compiled import Task


class JobOutput:
    """The parts and the totals of one job on one engine.

    Args:
        job: where parts are committed, and under which attempt.
        task: whose answers they hold.
        config: how large and how old a part may become, and the name of the model.
        engine: the number of the engine.
    """

    def __init__(self, job: GenerationJob, task: Task, config: GeneratorConfig, engine: int) -> None:
        self.totals = EngineTotals()
        self._config = config
        self._schema = samples_schema(job.conditions, task.answer_columns())
        self._sender = PartSender(job.upload) if job.upload else None
        if job.upload:  # nobody but this engine may have written on this disk
            job.attempt_folder.mkdir(parents=True, exist_ok=True)
        self._writer = PartWriter(job.attempt_folder, engine, self._schema)
        self._writers = {"engine": engine, "attempt": job.attempt, "model": config.model_name()}
        self._opened = time.monotonic()

    def count_request(self, when: float) -> None:
        """Counts a request that the generator has admitted.

        Args:
            when: seconds of the epoch.
        """
        self.totals += EngineTotals(requests=1, first_admitted=when)

    def add(self, conversation: Conversation) -> None:
        """Writes the row of a conversation that is over into the open part."""
        if not len(self._writer):
            self._opened = time.monotonic()
        columns = conversation.columns() | self._writers
        self._writer.add({name: columns[name] for name in self._schema.names})
        self.totals += conversation.totals()

    def is_due(self, *, idle: bool) -> bool:
        """Tells whether the open part should be committed; not while the ones before it are still being sent.

        Args:
            idle: whether the engine has nothing else to do.
        """
        return not self._is_full and (self._is_ripe or (idle and len(self._writer) > 0))

    @property
    def is_held_up(self) -> bool:
        """Tells whether the engine should write no more rows until a part has arrived."""
        return self._is_full and self._is_ripe

    @property
    def num_sent(self) -> int:
        """Returns the number of parts that are on their way; may be read from any thread."""
        return self._sender.num_sent if self._sender else 0

    @property
    def _is_full(self) -> bool:
        return self._sender is not None and self._sender.is_full

    @property
    def _is_ripe(self) -> bool:
        """Tells whether the open part is large or old."""
        num_rows, age = len(self._writer), time.monotonic() - self._opened
        return bool(num_rows) and (age >= self._config.part_seconds or num_rows >= self._config.part_rows)

    def commit(self, counters: Mapping[str, int]) -> None:
        """Commits the open part, if it holds a row, and takes the generator's counters of this job.

        A part that is to be shared is sent from here on; `settle` counts it when it is there.

        Raises:
            FencedError: a newer start of the driver has taken over.
        """
        self.totals = replace(self.totals, counters=dict(counters))
        num_rows = len(self._writer)
        part = self._writer.commit()
        if part is not None and self._sender:
            self._sender.send(part, num_rows)
        elif part is not None:
            self._count(num_rows)

    def settle(self, *, wait: bool = False) -> None:
        """Counts the parts that have been sent since the last time.

        Args:
            wait: whether to wait for all that are being sent.

        Raises:
            UserError: a part cannot be shared; those behind it are.
        """
        while self._sender and (num_rows := self._sender.arrived(wait=wait)):
            self._count(num_rows)

    def _count(self, num_rows: int) -> None:
        self.totals += EngineTotals(committed=num_rows, last_committed=time.time())
