"""The engine loop: one thread that keeps a continuous batch full and commits parts; no Ray in it.

In: a job, then work units (rows of the plan with their passages). Out: committed parts, and a note when the
rows of a unit are all written. Rows of different units share the batch, so it never drains between units;
every row in becomes exactly one row out. The generator is touched by this thread alone.
"""

from __future__ import annotations

import collections
import itertools
import queue
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from engine.errors import UserError
from engine.generators import Finished, Request, Written
from engine.parts import PartWriter, samples_schema
from engine.task import PromptKind, input_hash

if TYPE_CHECKING:
    from engine.generators import Generator
    from engine.prompts import Prompts
    from engine.samples import SamplesConfig

Row = dict[str, Any]

_IDLE_SECONDS = 0.02
_FAILED = Written("", 0, float("nan"), "")


@dataclass(frozen=True)
class Job:
    """What all units of one samples step have in common."""

    prompts: Prompts
    attempt: int
    attempt_folder: Path
    conditions: list[str]


@dataclass
class Totals:
    """What one engine did since its job began; times are seconds of the epoch."""

    generated: int = 0
    failed: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    committed: int = 0
    first_admitted: float = 0.0
    last_committed: float = 0.0
    last_error: str = ""
    counters: dict[str, int] = field(default_factory=dict)


@dataclass
class Ticket:
    """Set when what was handed to the loop has been taken in (a job) or written (all rows of a unit)."""

    rows: int = 0
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Asked:
    """Rows of the plan that one request answers, and the ticket of their unit."""

    rows: list[Row]
    ticket: Ticket


class _Work:
    """The state of one job."""

    def __init__(self, job: Job, engine: int, counters: dict[str, int]) -> None:
        self.job = job
        self.schema = samples_schema(job.conditions)
        self.writer = PartWriter(job.attempt_folder, engine, self.schema)
        self.stop = tuple(job.prompts.task.stop)
        renderer = job.prompts.renderer()
        chat = job.prompts.task.kind is PromptKind.chat
        self.render = renderer.messages if chat else renderer.completion
        self.totals = Totals()
        self.part_opened = time.monotonic()
        self._counters_before = dict(counters)

    def count(self, counters: dict[str, int]) -> None:
        """Takes the generator's counters, less what they were when the job began."""
        self.totals.counters = {name: value - self._counters_before.get(name, 0) for name, value in counters.items()}


class EngineLoop:
    """Drives one generator. `hand_in` and `totals` may be called from any thread, `run` from one."""

    def __init__(self, config: SamplesConfig, index: int) -> None:
        self._config, self._index = config, index
        self._inbox: queue.SimpleQueue[tuple[Ticket, Job | list[Row]]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._work: _Work | None = None
        self._waiting: collections.deque[_Asked] = collections.deque()
        self._asked: dict[str, tuple[_Asked, str]] = {}
        self._in_flight = 0
        self._numbers = itertools.count()
        self._steps = 0
        self._warm_at: dict[int, int] = {}

    def hand_in(self, item: Job | list[Row]) -> Ticket:
        """Hands in a job, or the rows of a unit; the ticket is set when it is taken in, or written."""
        ticket = Ticket(len(item) if isinstance(item, list) else 0)
        self._inbox.put((ticket, item))
        return ticket

    def totals(self) -> Totals:
        """Totals of the current job."""
        return self._work.totals if self._work else Totals()

    def stop(self) -> None:
        """Asks the loop to commit and return; what is in flight is dropped."""
        self._stopping.set()

    def run(self, generator: Generator) -> None:
        """The loop; returns after `stop`, with the open part committed."""
        while not self._stopping.is_set():
            self._take_in(generator, wait=self._idle(generator))
            self._admit(generator)
            if generator.num_unfinished():
                self._step(generator)
            self._commit_when_due(idle=self._idle(generator) and self._inbox.empty())
        if self._work:
            self._commit(self._work)

    def _idle(self, generator: Generator) -> bool:
        return not generator.num_unfinished() and not self._waiting

    def _take_in(self, generator: Generator, *, wait: bool) -> None:
        try:
            ticket, item = self._inbox.get(timeout=_IDLE_SECONDS) if wait else self._inbox.get_nowait()
        except queue.Empty:
            return
        if isinstance(item, Job):
            if self._work:
                self._commit(self._work)
            self._warm_at.clear()  # another plan numbers its prefixes anew
            self._work = _Work(item, self._index, generator.counters())
            ticket.done.set()
            return
        # Replicates of one prompt become one request for n samples: its prompt is computed once.
        item.sort(key=lambda row: (row["prefix"], row["passage_id"], row["cell"], row["sample_id"]))
        same_prompt = itertools.groupby(item, key=lambda row: (row["prefix"], row["passage_id"], row["cell"]))
        self._waiting.extend(_Asked(list(group), ticket) for _, group in same_prompt)

    def _admit(self, generator: Generator) -> None:
        """Keeps half a batch more than fits admitted; a cold prefix is sent ahead by a single request."""
        held: list[_Asked] = []
        budget = self._config.max_num_seqs + self._config.max_num_seqs // 2
        while self._waiting and self._in_flight < budget:
            asked = self._waiting.popleft()
            if self._is_warm(asked.rows[0]):
                self._ask(generator, asked)
            else:
                held.append(asked)
        self._waiting.extendleft(reversed(held))

    def _is_warm(self, row: Row) -> bool:
        """Whether a row may go: its prefix was computed some steps ago, or it is the one that computes it.

        With nothing in flight no step will come: the one that went ahead was refused, or ended early.
        """
        prefix = row["prefix"]
        if prefix in self._warm_at and self._in_flight:
            return self._steps >= self._warm_at[prefix]
        if prefix not in self._warm_at:
            self._warm_at[prefix] = self._steps + 1 + row["prompt_tokens"] // self._config.max_num_batched_tokens
        return True

    def _ask(self, generator: Generator, asked: _Asked) -> None:
        work = self._work
        assert work, "units come after a job"
        work.totals.first_admitted = work.totals.first_admitted or time.time()
        row = asked.rows[0]
        request_id = str(next(self._numbers))
        try:
            prompt = work.render(row, row["demonstration_set"], row["cell"])
            hashed = generator.add(Request(request_id, prompt, len(asked.rows), work.stop))
        except (UserError, ValueError, TypeError, TemplateError) as error:  # this prompt alone is at fault
            self._fail(work, asked, " ".join(str(error).split())[:500])
            return
        self._asked[request_id] = asked, hashed
        for same in asked.rows:
            same["input_hash"] = input_hash(prompt, row)
        self._in_flight += len(asked.rows)
        work.totals.requests += 1

    def _step(self, generator: Generator) -> None:
        assert self._work, "units come after a job"
        finished = generator.step()
        self._steps += 1
        for one in finished:
            self._store(self._work, one)
        if finished:
            self._work.count(generator.counters())

    def _store(self, work: _Work, finished: Finished) -> None:
        asked, hashed = self._asked.pop(finished.request_id)
        self._in_flight -= len(asked.rows)
        assert len(asked.rows) == len(finished.samples), "a request gives as many samples as were asked for"
        for index, (row, written) in enumerate(zip(asked.rows, finished.samples, strict=True)):
            # The prompt was computed once for all samples of the request: the first one carries its cost.
            tokens = (finished.prompt_tokens, finished.cached_tokens) if index == 0 else (0, 0)
            values = {"prompt_hash": hashed, "prompt_tokens": tokens[0], "cached_tokens": tokens[1]}
            self._add(work, row, written, values)
        work.totals.generated += len(asked.rows)
        _count_down(asked)

    def _fail(self, work: _Work, asked: _Asked, error: str) -> None:
        for row in asked.rows:
            values = {"status": "failed", "error": error, "prompt_hash": "", "prompt_tokens": 0, "cached_tokens": 0}
            row["input_hash"] = ""
            self._add(work, row, _FAILED, values)
        work.totals.failed += len(asked.rows)
        work.totals.last_error = error
        _count_down(asked)

    def _add(self, work: _Work, row: Row, written: Written, values: Row) -> None:
        own = {
            "status": "generated",
            "error": "",
            "text": written.text,
            "output_tokens": written.output_tokens,
            "logprob": written.logprob,
            "finish_reason": written.finish_reason,
            "engine": self._index,
            "attempt": work.job.attempt,
            "model": self._config.model_name(),
        }
        everything = row | own | values
        work.totals.prompt_tokens += everything["prompt_tokens"]
        work.totals.output_tokens += written.output_tokens
        if not len(work.writer):
            work.part_opened = time.monotonic()
        work.writer.add({name: everything[name] for name in work.schema.names})

    def _commit_when_due(self, *, idle: bool) -> None:
        work = self._work
        if not work or not len(work.writer):
            return
        old = time.monotonic() - work.part_opened >= self._config.part_seconds
        if idle or old or len(work.writer) >= self._config.part_rows:
            self._commit(work)

    def _commit(self, work: _Work) -> None:
        count = len(work.writer)
        if work.writer.commit() is not None:
            work.totals.last_committed = time.time()
            work.totals.committed += count


def _count_down(asked: _Asked) -> None:
    asked.ticket.rows -= len(asked.rows)
    if not asked.ticket.rows:
        asked.ticket.done.set()
