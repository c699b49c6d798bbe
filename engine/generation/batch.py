"""The continuous batch of one job on one engine: rows go in, requests to the generator and back, rows come out.

In: planned rows. Out: their samples in committed parts. Turns of different samples and rows of different units share
the batch, so it never drains between them. One thread does all of this; there is no Ray in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.generation.admission import Admission
from engine.generation.config import model_configs
from engine.generation.conversation import Conversation, Inquiry
from engine.generation.generator import Finished, Request
from engine.generation.jobs import sampling_of
from engine.generation.output import JobOutput
from engine.generation.totals import EngineTotals
from engine.task.sampling import sampling_of_turn
from engine.task.templates import RENDER_ERRORS

_HELD_UP_SECONDS = 0.05

if TYPE_CHECKING:
    from engine.artifacts.prompts import PlannedRow
    from engine.generation.config import GeneratorConfig
    from engine.generation.generator import Generator
    from engine.generation.jobs import GenerationJob, Ticket
    from engine.task.sampling import Sampling


class JobBatch:
    """One job on one engine.

    Args:
        job: the job.
        generator: what writes.
        config: how it samples, and its limits.
        engine: the number of the engine.
        request_ids: names for requests; none may be used twice by one generator.
    """

    def __init__(
        self, job: GenerationJob, generator: Generator, config: GeneratorConfig, engine: int, request_ids: Iterator[str]
    ) -> None:
        self._generator, self._request_ids = generator, request_ids
        self._task = job.prompts.compile()
        configs = model_configs(config)
        self._sampling = {
            name: sampling_of(turn, configs[turn.config.model]) for name, turn in self._task.turns.items()
        }
        self._admission = Admission(config.max_num_seqs, config.max_num_batched_tokens)
        self._in_flight: dict[str, Inquiry] = {}
        self._output = JobOutput(job, self._task, config, engine)
        self._counters_before = dict(generator.counters())

    @property
    def totals(self) -> EngineTotals:
        """Returns what was done so far; may be read from any thread."""
        return self._output.totals

    @property
    def num_sent(self) -> int:
        """Returns the number of parts that are on their way to where they are shared; read from any thread."""
        return self._output.num_sent

    @property
    def is_idle(self) -> bool:
        """Tells whether nothing waits and nothing is in flight."""
        return not self._generator.num_unfinished() and not len(self._admission)

    def take(self, rows: Iterable[PlannedRow], ticket: Ticket) -> None:
        """Takes in the rows of a unit, in the order of their ids: neighbours may share more than the unit's prefix.

        Replicates of one prompt become one request for several samples: its prompt is computed once.
        """
        prompts: dict[tuple[int, str, str], list[PlannedRow]] = {}
        for row in sorted(rows, key=lambda row: row.sample_id):
            prompts.setdefault(_prompt_key(row), []).append(row)
        for replicates in prompts.values():
            conversations = [Conversation(row, self._task, ticket) for row in replicates]
            [turns, *_] = [conversation.begin() for conversation in conversations]
            for turn in turns:
                self._admission.add(self._inquiries(conversations, turn))

    def _sampling_of(self, turn: str, row: PlannedRow) -> Sampling:
        """Returns how an answer is drawn: by what the row sets, but for settings that the turn has for itself."""
        if not row.sampling:
            return self._sampling[turn]
        config = self._task.turns[turn].config
        of_turn = sampling_of_turn(config) | ({"stop": config.stop} if config.stop else {})
        settings = {name: value for name, value in row.sampling.items() if name not in of_turn}
        return replace(self._sampling[turn], **settings)

    def _inquiries(self, conversations: list[Conversation], turn: str) -> list[Inquiry]:
        """Asks one turn of equal prompts at once; a greedy one singly, since engines refuse several greedy samples."""
        has_prefix = self._task.renderers[turn].has_prefix
        is_greedy = self._sampling_of(turn, conversations[0].row).temperature == 0
        if is_greedy and not self._task.turns[turn].is_scored:
            return [Inquiry([conversation], turn, has_prefix) for conversation in conversations]
        return [Inquiry(conversations, turn, has_prefix)]

    def send(self) -> None:
        """Asks the generator all that it has room for, unless what is written already has to be sent first."""
        if self._output.is_held_up:
            return
        for inquiry in self._admission.take():
            if remaining := self._without_failed(inquiry):
                self._ask(replace(inquiry, conversations=remaining))

    def _without_failed(self, inquiry: Inquiry) -> list[Conversation]:
        """Returns the conversations of an inquiry of which no other turn failed while this one waited."""
        for conversation in inquiry.conversations:
            if conversation.has_failed:
                conversation.drop()
                self._write_if_over(conversation)
        return [conversation for conversation in inquiry.conversations if not conversation.has_failed]

    def _ask(self, inquiry: Inquiry) -> None:
        turn, conversations = inquiry.turn, inquiry.conversations
        now, request_id = time.time(), next(self._request_ids)
        try:
            prompt = conversations[0].prompt(turn)
            model = self._task.turns[turn].config.model
            sampling, scoring = self._sampling_of(turn, conversations[0].row), conversations[0].scoring(turn)
            replicates = tuple(conversation.row.replicate for conversation in conversations)
            request = Request(request_id, prompt, len(conversations), sampling, model, scoring, replicates)
            prompt_hash = self._generator.add(request)
        except (UserError, *RENDER_ERRORS) as error:  # this prompt alone is at fault
            for conversation in conversations:
                conversation.refused(turn, str(error))
                self._write_if_over(conversation)
            return
        for conversation in conversations:
            conversation.asked(turn, prompt, prompt_hash)
        self._in_flight[request_id] = inquiry
        self._admission.sent(len(conversations))
        self._output.count_request(now)

    def receive(self) -> bool:
        """Advances the generator by a step, and reads what it has finished; returns whether it did.

        It does not where it has no work, or where what is written already has to be sent first.
        """
        if self._output.is_held_up:
            time.sleep(_HELD_UP_SECONDS)  # and no longer: a loop that stands still passes for one that hangs
            return False
        if not self._generator.num_unfinished():
            return False
        finished = self._generator.step()
        self._admission.count_step()
        for answers in finished:
            self._read(answers)
        return True

    def _read(self, finished: Finished) -> None:
        inquiry = self._in_flight.pop(finished.request_id)
        self._admission.returned(len(inquiry.conversations))
        inquiry.conversations[0].paid(finished.prompt_tokens, finished.cached_tokens)
        for conversation, written in zip(inquiry.conversations, finished.samples, strict=True):
            turns = conversation.answered(inquiry.turn, written)
            # What waited for this answer goes before any new sample.
            self._admission.add_first(each for turn in turns for each in self._inquiries([conversation], turn))
            self._write_if_over(conversation)

    def _write_if_over(self, conversation: Conversation) -> None:
        if conversation.is_over:
            self._output.add(conversation)
            conversation.ticket.count_row()

    def commit_when_due(self, *, nothing_to_take: bool) -> None:
        """Commits the open part if it is large or old, or if the engine has nothing else to do.

        Args:
            nothing_to_take: whether no rows wait outside.
        """
        self._output.settle()
        if self._output.is_due(idle=nothing_to_take and self.is_idle):
            self._commit()

    def commit(self) -> None:
        """Commits the open part, and waits until everything committed is where it is shared.

        Raises:
            FencedError: a newer start of the driver has taken over.
            UserError: a part cannot be shared.
        """
        self._commit()
        self._output.settle(wait=True)

    def _commit(self) -> None:
        """Commits the open part. An engine gathers all its metrics for its counters: once a part is often enough."""
        before = self._counters_before
        self._output.commit({name: n - before.get(name, 0) for name, n in self._generator.counters().items()})


def _prompt_key(row: PlannedRow) -> tuple[int, str, str]:
    """Returns a key that rows share which are asked the same."""
    return row.prefix, row.passage_id, row.cell
