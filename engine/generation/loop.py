"""The engine loop: one thread that keeps a continuous batch full and commits parts; no Ray in it.

In: a job, then work units (rows of the plan with their passages). Out: committed parts, and a note when the
rows of a unit are all written. Rows of different units and turns of different samples share the batch, so it never
drains between them; every row in becomes exactly one row out. The generator is touched by this thread alone.
"""

from __future__ import annotations

import collections
import itertools
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.artifacts.samples import samples_schema
from engine.errors import UserError
from engine.generation.config import model_configs
from engine.generation.conversation import Row, _Asked, _note_asked, _Sample
from engine.generation.generator import Finished, Request, Written
from engine.generation.jobs import Job, Ticket, sampling_of
from engine.generation.totals import Totals
from engine.storage.parts import PartWriter
from engine.task.answers import TURNED_DOWN, TurnError
from engine.task.render import input_hash, parse_cell
from engine.task.templates import RENDER_ERRORS
from engine.task.turns import ONLY_TURN, Turn, answer_columns, answer_values, turn_needs

if TYPE_CHECKING:
    from engine.generation.config import SamplesConfig
    from engine.generation.generator import Generator


_IDLE_SECONDS = 0.02


class _Work:
    """The state of one job."""

    def __init__(self, job: Job, engine: int, config: SamplesConfig, counters: dict[str, int]) -> None:
        self.job = job
        self.renderers = job.prompts.renderers()
        self.turns: dict[str, Turn] = {name: renderer.turn for name, renderer in self.renderers.items()}
        self.needs = turn_needs(self.turns)
        names = list(self.turns)
        self.first_turn, self.last_turn = names[0], names[-1]
        configs = model_configs(config)
        self.sampling = {name: sampling_of(turn, configs[turn.config.model]) for name, turn in self.turns.items()}
        self.schema = samples_schema(job.conditions, answer_columns(self.turns))
        self.writer = PartWriter(job.attempt_folder, engine, self.schema)
        self.totals = Totals()
        self.part_opened = time.monotonic()
        self._counters_before = dict(counters)

    def ready(self, sample: _Sample) -> list[str]:
        """Turns that may be asked now: not asked yet, and all they read is answered."""
        return [name for name in self.turns if name not in sample.asked and self.needs[name] <= sample.answers.keys()]

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
        self._warm_at: dict[tuple[str, int], int] = {}
        self._read_counters: Callable[[], dict[str, int]] = dict

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
        self._read_counters = generator.counters
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
            self._work = _Work(item, self._index, self._config, generator.counters())
            ticket.done.set()
            return
        assert self._work, "units come after a job"
        # Replicates of one prompt become one request for n samples: its prompt is computed once.
        item.sort(key=lambda row: (row["prefix"], row["passage_id"], row["cell"], row["sample_id"]))
        same_prompt = itertools.groupby(item, key=lambda row: (row["prefix"], row["passage_id"], row["cell"]))
        for _, group in same_prompt:
            samples = [_Sample(row, ticket) for row in group]
            roots = self._work.ready(samples[0])
            for turn in roots:
                alone = self._work.sampling[turn].temperature == 0  # engines refuse several greedy samples at once
                self._waiting.extend(_Asked(part, turn) for part in ([[s] for s in samples] if alone else [samples]))
            _note_asked(samples, roots)

    def _admit(self, generator: Generator) -> None:
        """Keeps half a batch more than fits admitted; a cold prefix is sent ahead by a single request."""
        held: list[_Asked] = []
        budget = self._config.max_num_seqs + self._config.max_num_seqs // 2
        while self._waiting and self._in_flight < budget:
            asked = self._waiting.popleft()
            if self._is_warm(asked):
                self._ask(generator, asked)
            else:
                held.append(asked)
        self._waiting.extendleft(reversed(held))

    def _is_warm(self, asked: _Asked) -> bool:
        """Whether a request may go: its prefix was computed some steps ago, or it is the one that computes it.

        With nothing in flight no step will come: the one that went ahead was refused, or ended early.
        """
        assert self._work, "units come after a job"
        row = asked.samples[0].row
        prefix = (asked.turn, row["prefix"])
        if prefix in self._warm_at and self._in_flight:
            return self._steps >= self._warm_at[prefix]
        if prefix not in self._warm_at and self._work.renderers[asked.turn].has_prefix:
            self._warm_at[prefix] = self._steps + 1 + row["prompt_tokens"] // self._config.max_num_batched_tokens
        return True

    def _ask(self, generator: Generator, asked: _Asked) -> None:
        work = self._work
        assert work, "units come after a job"
        alive = [sample for sample in asked.samples if not sample.error]
        for sample in asked.samples:
            if sample.error:  # another turn of it failed while this one waited
                self._settle(work, sample)
        if not alive:
            return
        asked = _Asked(alive, asked.turn)
        work.totals.first_admitted = work.totals.first_admitted or time.time()
        first = asked.samples[0]
        row = first.row
        request_id = str(next(self._numbers))
        try:
            render = work.renderers[asked.turn].prompt
            prompt = render(row, row["demonstration_set"], row["cell"], first.views())
            sampling, model = work.sampling[asked.turn], work.turns[asked.turn].config.model
            hashed = generator.add(Request(request_id, prompt, len(asked.samples), sampling, model))
        except (UserError, *RENDER_ERRORS) as error:  # this prompt alone is at fault
            for sample in asked.samples:
                self._fail(work, sample, asked.turn, " ".join(str(error).split())[:500])
            return
        self._asked[request_id] = asked, hashed
        if asked.turn == work.first_turn:
            for sample in asked.samples:
                sample.input_hash = input_hash(prompt, row)
        self._in_flight += len(asked.samples)
        work.totals.requests += 1

    def _step(self, generator: Generator) -> None:
        assert self._work, "units come after a job"
        finished = generator.step()
        self._steps += 1
        for one in finished:
            self._store(self._work, one)

    def _store(self, work: _Work, finished: Finished) -> None:
        asked, hashed = self._asked.pop(finished.request_id)
        self._in_flight -= len(asked.samples)
        assert len(asked.samples) == len(finished.samples), "a request gives as many samples as were asked for"
        for index, (sample, written) in enumerate(zip(asked.samples, finished.samples, strict=True)):
            if index == 0:  # the prompt was computed once for all samples of the request: the first carries its cost
                sample.prompt_tokens += finished.prompt_tokens
                sample.cached_tokens += finished.cached_tokens
            sample.prompt_hash = sample.prompt_hash or hashed
            self._take_answer(work, sample, asked.turn, written)

    def _take_answer(self, work: _Work, sample: _Sample, turn: str, written: Written) -> None:
        """Reads what a turn gave, and asks the turns that waited for it before any new sample."""
        sample.output_tokens += written.output_tokens
        sample.cut_off |= written.finish_reason == "length"
        if sample.error:
            self._settle(work, sample)
            return
        if turn == work.last_turn:
            sample.last = written
        row = sample.row
        seen = {"passage": row, "condition": parse_cell(row["cell"]), "turns": sample.views()}
        try:
            sample.answers[turn] = work.turns[turn].read(written.text, written.finish_reason, seen)
        except TurnError as error:
            sample.last = written  # what was written can be looked at beside the reason
            self._fail(work, sample, turn, str(error))
            return
        ready = work.ready(sample)
        self._waiting.extendleft(_Asked([sample], name) for name in reversed(ready))
        _note_asked([sample], ready)
        self._settle(work, sample)

    def _fail(self, work: _Work, sample: _Sample, turn: str, error: str) -> None:
        sample.error = sample.error or (error if turn == ONLY_TURN else f"turn {turn}: {error}")
        self._settle(work, sample)

    def _settle(self, work: _Work, sample: _Sample) -> None:
        """Notes that one turn of a sample is over, and writes the row when it was the last."""
        sample.outstanding -= 1
        if sample.outstanding:
            return
        assert sample.error or len(sample.answers) == len(work.turns), "a sample ends with every turn answered"
        if sample.error:
            work.totals.failed += 1
            work.totals.turned_down += TURNED_DOWN in sample.error
            work.totals.last_error = sample.error
        else:
            work.totals.generated += 1
        self._add(work, sample)
        sample.ticket.rows -= 1
        if not sample.ticket.rows:
            sample.ticket.done.set()

    def _add(self, work: _Work, sample: _Sample) -> None:
        answer = None if sample.error else sample.answers[work.last_turn]
        own = {
            "status": "failed" if sample.error else "generated",
            "error": sample.error,
            "text": answer.text if answer else sample.last.text,
            "prompt_hash": sample.prompt_hash,
            "input_hash": sample.input_hash,
            "prompt_tokens": sample.prompt_tokens,
            "cached_tokens": sample.cached_tokens,
            "output_tokens": sample.output_tokens,
            "logprob": sample.last.logprob,
            "finish_reason": "length" if sample.cut_off else sample.last.finish_reason,
            "engine": self._index,
            "attempt": work.job.attempt,
            "model": self._config.model_name(),
        }
        everything = sample.row | own | answer_values(work.turns, sample.answers)
        work.totals.prompt_tokens += sample.prompt_tokens
        work.totals.output_tokens += sample.output_tokens
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
        work.count(self._read_counters())  # the engine gathers all its metrics for it: once a part is often enough
        count = len(work.writer)
        if work.writer.commit() is not None:
            work.totals.last_committed = time.time()
            work.totals.committed += count
