"""The first prompts of rows, as a model reads them: rendered, counted, and refused where they cannot be asked.

In: the columns of a row. Out: the text of its first prompt, or the error that names the row. The task as a whole is
checked with the first row that can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import UserError
from engine.models.chat_template import read_chat_template
from engine.models.resolve import resolve_model
from engine.models.tokenizer import GENERATOR_KEY, load_tokenizer
from engine.task.check import check_turns
from engine.task.compiled import Task
from engine.task.config import PromptKind
from engine.task.forecast import LaterTurns
from engine.task.render import Ask, ChatText, Messages

_FORECAST_EVERY = 64
"""Of so many rows one stands for the tokens of their later turns."""


@dataclass(frozen=True)
class RowName:
    """How a message names a row."""

    number: int
    """Counted from 1."""
    row_id: str

    def __str__(self) -> str:
        return f"row {self.number:,} (id {self.row_id})"


class FirstPrompts:
    """Renders the first prompt of each row.

    Args:
        task: the task.
        model: the model whose tokenizer counts, and whose chat template chats go through.
        refuse: whether a prompt that cannot be asked is an error.

    Attributes:
        later: what was seen of later turns.
    """

    def __init__(self, task: Task, model: str, *, refuse: bool) -> None:
        self._task, self._refuse, self._chat_text = task, refuse, _chat_text(task, model)
        self._tokenizer = load_tokenizer(model, key=GENERATOR_KEY)
        self.later = LaterTurns(task, self.count, self._chat_text)
        self._is_checked = False
        self._first_error: UserError | None = None

    def text(self, row: dict[str, Any], name: RowName) -> str:
        """Returns the prompt as the model reads it; empty where it cannot be asked and that is allowed.

        Raises:
            UserError: it cannot be asked, and that is not allowed.
        """
        try:
            if not self._is_checked:
                check_turns(self._task, {}, row)
            text = _rendered(self._task, row, self._chat_text)
        except UserError as error:
            if self._refuse:
                remedy = f"{error.remedy}; or let such rows fail alone: prompts.refuse=false"
                raise UserError(f"{name}: {error.what}", where=error.where, remedy=remedy) from error
            self._first_error = self._first_error or error
            return ""
        self._is_checked = True
        if name.number % _FORECAST_EVERY == 1:
            self.later.see(Ask({}, 0, {}, {}, row))
        return text

    def count(self, texts: Sequence[str]) -> list[int]:
        """Returns the number of tokens of each text."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def check_any(self) -> None:
        """Refuses a file of which no row could be asked: then it is the task that is wrong.

        Raises:
            UserError: that of the first row.
        """
        if self._first_error and not self._is_checked:
            error = self._first_error
            raise UserError(f"no row can be asked: {error.what}", where=error.where, remedy=error.remedy) from error


def _rendered(task: Task, row: dict[str, Any], chat_text: ChatText | None) -> str:
    prompt = task.first.prompt(Ask({}, 0, {}, {}, row))
    asked = prompt if isinstance(prompt, str) else prompt[-1]["content"] if prompt else ""
    if not asked.strip():
        raise UserError("the prompt is empty", where=task.first.turn.where, remedy="give every row a text")
    return prompt if isinstance(prompt, str) else (chat_text or _joined)(prompt)


def _chat_text(task: Task, model: str) -> ChatText | None:
    if task.first.turn.config.kind is not PromptKind.chat:
        return None
    return read_chat_template(resolve_model(model, key=GENERATOR_KEY), where=f"{GENERATOR_KEY}={model}")


def _joined(messages: Messages) -> str:
    return "\n".join(f"{message['role']}\n{message['content']}" for message in messages)
