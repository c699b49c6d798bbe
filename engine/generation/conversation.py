"""One sample on its way through the turns of its task, from its planned row to the row of its sample.

In: a planned row, and what becomes of each turn. Out: which turns can be asked, and in the end the row. A turn is open
from `begin` until it is answered, fails or is dropped; the sample is over when no turn is open. A turn that fails ends
the sample: others of its turns that are in flight are waited for, and no further one is begun.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.artifacts.prompts import PlannedRow
from engine.errors import BrokenInvariantError
from engine.generation.generator import Written
from engine.generation.jobs import Ticket
from engine.generation.totals import EngineTotals
from engine.task.answers import TURNED_DOWN, Answer, TurnError, storable
from engine.task.compiled import Task
from engine.task.render import Messages
from engine.task.scores import Scoring, best_score
from engine.task.templates import as_row
from engine.task.turns import ONLY_TURN

_MOST_CHARACTERS_OF_A_REASON = 500
_NOTHING = Written("", 0, float("nan"), "")


class Conversation:
    """The life of one sample.

    Args:
        row: what is planned.
        task: whose turns it goes through.
        ticket: told when the sample is over.
    """

    def __init__(self, row: PlannedRow, task: Task, ticket: Ticket) -> None:
        self.row, self.ticket = row, ticket
        self._task = task
        self._begun: set[str] = set()
        self._num_open = 0
        self._answers: dict[str, Answer] = {}
        self._error = ""
        self._shown = _NOTHING
        """What the last turn gave, or the one that failed."""
        self._was_cut_off = False
        self._input_hash = self._prompt_hash = ""
        self._prompt_tokens = self._cached_tokens = self._output_tokens = 0

    @property
    def has_failed(self) -> bool:
        """Tells whether a turn has failed, and the sample with it."""
        return bool(self._error)

    @property
    def is_over(self) -> bool:
        """Tells whether nothing more will come: the row can be written."""
        return not self._num_open

    def begin(self) -> list[str]:
        """Opens the turns that can be asked now, those whose earlier turns are answered, and returns their names."""
        ready = [
            name
            for name, needs in self._task.needs.items()
            if name not in self._begun and needs <= self._answers.keys()
        ]
        self._begun.update(ready)
        self._num_open += len(ready)
        return ready

    def prompt(self, turn: str) -> str | Messages:
        """Renders the prompt of a turn, which shows the answers so far.

        Raises:
            UserError: the template cannot be rendered for this row.
        """
        return self._task.renderers[turn].prompt(self.row.ask(self._views()))

    def scoring(self, turn: str) -> Scoring | None:
        """Returns what is scored at a turn in place of writing; None where the turn is written.

        Raises:
            UserError: the continuation cannot be rendered for this row, or is empty.
        """
        return self._task.scoring(turn, self.row.ask(self._views()))

    def asked(self, turn: str, prompt: str | Messages, prompt_hash: str) -> None:
        """Notes what the generator was asked at a turn."""
        if turn == next(iter(self._task.turns)):
            self._input_hash = self.row.input_hash(prompt)
        self._prompt_hash = self._prompt_hash or prompt_hash

    def paid(self, prompt_tokens: int, cached_tokens: int) -> None:
        """Counts the tokens of a prompt. Of samples that one request gave, the first pays for all of them."""
        self._prompt_tokens += prompt_tokens
        self._cached_tokens += cached_tokens

    def answered(self, turn: str, written: Written) -> list[str]:
        """Reads what a turn gave, and opens the turns that waited for it.

        Returns:
            The names of those turns; none where the answer cannot be read, or another turn has failed before.
        """
        self._num_open -= 1
        self._output_tokens += written.output_tokens
        self._was_cut_off |= written.finish_reason == "length"
        if self.has_failed:
            return []
        if best := written.scores and best_score(self._task.turns[turn].config, written.scores):
            written = replace(written, text=best.text, logprob=best.mean)
        if turn == self._last_turn:
            self._shown = written
        try:
            self._answers[turn] = self._read(turn, written)
        except TurnError as error:
            self._shown = written  # what was written can be looked at beside the reason
            self._fail(turn, str(error))
            return []
        return self.begin()

    def _read(self, turn: str, written: Written) -> Answer:
        about = {"passage": self.row.passage} if self.row.row is None else {"row": as_row(self.row.row)}
        seen = {**about, "condition": self.row.conditions, "turns": self._views()}
        if written.scores:
            return self._task.turns[turn].read_scores(written.scores, seen)
        return self._task.turns[turn].read(written.text, written.finish_reason, seen)

    def refused(self, turn: str, reason: str) -> None:
        """Notes that a turn cannot be asked: the sample has failed."""
        self._num_open -= 1
        self._fail(turn, reason)

    def drop(self) -> None:
        """Closes a turn that was not asked yet when another one failed."""
        self._num_open -= 1

    def totals(self) -> EngineTotals:
        """Returns what this sample, once it is over, adds to its engine's totals."""
        return EngineTotals(
            generated=int(not self.has_failed),
            failed=int(self.has_failed),
            turned_down=int(TURNED_DOWN in self._error),
            prompt_tokens=self._prompt_tokens,
            output_tokens=self._output_tokens,
            last_error=self._error,
        )

    def columns(self) -> dict[str, Any]:
        """Makes the row of the sample once it is over: all that its columns may hold, but for who wrote it."""
        if not self.is_over or (not self.has_failed and len(self._answers) < len(self._task.turns)):
            raise BrokenInvariantError("a sample is written before every turn of it is answered")
        planned = {name: getattr(self.row, name) for name in PROMPTS.names}
        conditions = {f"{CONDITION_PREFIX}{name}": value for name, value in self.row.conditions.items()}
        outcome = {
            "status": "failed" if self.has_failed else "generated",
            "error": self._error,
            "text": storable(self._shown.text) if self.has_failed else self._answers[self._last_turn].text,
            "prompt_hash": self._prompt_hash,
            "input_hash": self._input_hash,
            "prompt_tokens": self._prompt_tokens,
            "cached_tokens": self._cached_tokens,
            "output_tokens": self._output_tokens,
            "logprob": self._shown.logprob,
            "finish_reason": "length" if self._was_cut_off else self._shown.finish_reason,
        }
        return planned | conditions | outcome | self._task.answer_values(self._answers)

    @property
    def _last_turn(self) -> str:
        return list(self._task.turns)[-1]

    def _views(self) -> dict[str, dict[str, Any]]:
        return {name: answer.view() for name, answer in self._answers.items()}

    def _fail(self, turn: str, reason: str) -> None:
        """Notes the first failure, on one line: a reason may quote what a model wrote."""
        line = storable(" ".join(reason.split()))[:_MOST_CHARACTERS_OF_A_REASON]
        self._error = self._error or (line if turn == ONLY_TURN else f"turn {turn}: {line}")


@dataclass(frozen=True)
class Inquiry:
    """One turn of conversations that one request asks for; several only where nothing tells their prompts apart."""

    conversations: list[Conversation]
    turn: str
    has_prefix: bool
    """Whether prompts of this turn begin alike, by the prefix of their rows."""
