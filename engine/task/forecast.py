"""Forecasts the prompts of later turns, which show answers that nobody has written yet.

In: a task and some of the samples that it is planned for. Out: about how many tokens the prompts of all turns but the
first have over a whole plan, without the answers that they show. A few samples say it well enough: they stand for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import UserError
from engine.task.check import stand_in
from engine.task.compiled import Task
from engine.task.render import Ask, ChatText, Messages


class LaterTurns:
    """Counts the tokens of later turns.

    Args:
        task: the task, with the demonstration sets that its prompts show.
        count: counts the tokens of texts.
        chat_text: the chat template of the model, where one is known.
    """

    def __init__(
        self, task: Task, count: Callable[[Sequence[str]], Sequence[int]], chat_text: ChatText | None = None
    ) -> None:
        self._task, self._count, self._chat_text = task, count, chat_text
        self._tokens = self._samples = 0

    def see(self, ask: Ask) -> None:
        """Counts one sample; one of which a later turn cannot be rendered is not counted, for it will fail alone.

        Args:
            ask: what the prompt of its first turn is made from.
        """
        if len(self._task.turns) == 1:
            return
        try:
            texts = list(map(self._text, later_prompts(self._task, ask)))
        except UserError:
            return
        self._tokens += sum(self._count(texts))
        self._samples += 1

    def tokens(self, planned: int) -> int:
        """Returns about how many tokens the later prompts of so many samples have; 0 for a task of one turn."""
        return round(self._tokens / self._samples * planned) if self._samples else 0

    def _text(self, prompt: str | Messages) -> str:
        if isinstance(prompt, str):
            return prompt
        return self._chat_text(prompt) if self._chat_text else "\n".join(message["content"] for message in prompt)


def later_prompts(task: Task, ask: Ask) -> list[str | Messages]:
    """Renders the prompts of all turns but the first, with one word in the place of each earlier answer.

    Raises:
        UserError: one of them cannot be rendered for this sample.
    """
    prompts: list[str | Messages] = []
    answers: dict[str, dict[str, Any]] = {}
    for name, renderer in task.renderers.items():
        if answers:
            prompts.append(renderer.prompt(replace(ask, answers=answers)))
        answers = {**answers, name: stand_in(renderer.turn, "x")}
    return prompts
