"""The words of a plan's prompts, which a model must not repeat in its samples.

In: a prompts folder. Out: its `PromptWords`. It stands apart from the filters, because their workers need no plan.
"""

from __future__ import annotations

from engine.artifacts.prompts import PromptsFolder
from engine.filters.contract import PromptWords, prompt_words
from engine.task.config import TaskConfig


def words_of_plan(prompts: PromptsFolder) -> PromptWords:
    """Reads what a model could repeat of the prompts of a plan."""
    return prompt_words(prompts.shown_queries(), _templates(prompts.task()))


def _templates(task: TaskConfig) -> list[str]:
    """Lists the templates of all turns; what the turns share stands there once."""
    templates = [task.instruction, task.demonstration, task.prompt]
    for turn in task.turns.values():
        templates += [turn.instruction or "", turn.demonstration or "", turn.prompt]
        templates += [message["content"] for message in turn.messages]
    return templates
