"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.storage.digests import digest
from engine.task.config import PromptKind, TaskConfig
from engine.task.templates import compile_template, names_used, render
from engine.task.turns import resolve_turns, shows_demonstrations

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Demonstration:
    """One worked example shown to the model."""

    document: str
    query: str
    query_id: str = ""
    """The judged query it was taken from; such a query is left out of the evaluation."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    """Of the document, where it has one."""


class Renderer:
    """Renders the prompts of one turn. Prefixes are rendered once per (demonstration set, condition values).

    Args:
        task: the task.
        sets: demonstration sets.
        name: the turn; by default the first.
    """

    def __init__(self, task: TaskConfig, sets: Sequence[Sequence[Demonstration]], name: str = "") -> None:
        turns = resolve_turns(task)
        self.turn = turns[name or next(iter(turns))]
        self._task, self.sets = task, sets
        config, where = self.turn.config, self.turn.where
        self.is_chat = config.kind is PromptKind.chat
        self._instruction = compile_template(config.instruction or "", f"{where}.instruction")
        self._demonstration = compile_template(config.demonstration or "", f"{where}.demonstration")
        self._prompt = compile_template(config.prompt, f"{where}.prompt")
        self._messages = [
            (message["role"], compile_template(message["content"], f"{where}.messages")) for message in config.messages
        ]
        self._cached_prefix = functools.lru_cache(maxsize=4096)(self._prefix)
        try:
            self._mentioned: set[str] | None = names_used(config.instruction or "", "condition")
        except LookupError:
            self._mentioned = None  # any condition may be meant
        self.has_prefix = bool(config.instruction or self.has_demonstrations())

    def with_sets(self, sets: Sequence[Sequence[Demonstration]]) -> Renderer:
        """The same with other demonstrations."""
        return Renderer(self._task, sets, self.turn.name)

    def prefix(self, set_index: int, cell: str) -> str:
        """The start of the prompt, which hangs on the conditions that the instruction mentions and on no others."""
        condition = parse_cell(cell)
        if self._mentioned is not None and self._mentioned <= condition.keys():
            cell = format_cell({name: value if name in self._mentioned else "" for name, value in condition.items()})
        return self._cached_prefix(set_index, cell)

    def _prefix(self, set_index: int, cell: str) -> str:
        if self.is_chat:
            return "\n".join(message["content"] for message in self._earlier(set_index, cell))
        condition = parse_cell(cell)
        parts = [self._render(self._instruction, "instruction", condition=condition)]
        for demonstration in self._shown(set_index):
            own = {**dict.fromkeys(condition, ""), **demonstration.conditions}
            parts.append(self._render(self._demonstration, "demonstration", demonstration=demonstration, condition=own))
        return "".join(parts)

    def suffix(self, passage: Mapping[str, Any], cell: str, turns: Mapping[str, Any] | None = None) -> str:
        """The end of the prompt: the passage and the cue to write."""
        if self._messages:
            return "\n".join(message["content"] for message in self._own_messages(passage, cell, turns))
        return self._render(self._prompt, "prompt", passage=passage, condition=parse_cell(cell), turns=turns or {})

    def completion(
        self, passage: Mapping[str, Any], set_index: int, cell: str, turns: Mapping[str, Any] | None = None
    ) -> str:
        """The whole prompt as one string."""
        return self.prefix(set_index, cell) + self.suffix(passage, cell, turns)

    def messages(
        self, passage: Mapping[str, Any], set_index: int, cell: str, turns: Mapping[str, Any] | None = None
    ) -> Messages:
        """The prompt as chat messages; demonstrations are earlier turns of the conversation."""
        return [*self._earlier(set_index, cell), *self._own_messages(passage, cell, turns)]

    def prompt(
        self, passage: Mapping[str, Any], set_index: int, cell: str, turns: Mapping[str, Any] | None = None
    ) -> str | Messages:
        """The prompt as the turn's kind wants it."""
        make = self.messages if self.is_chat else self.completion
        return make(passage, set_index, cell, turns)

    def text(
        self, passage: Mapping[str, Any], set_index: int, cell: str, turns: Mapping[str, Any] | None = None
    ) -> str:
        """The prompt as a person reads it, whatever its kind."""
        prompt = self.prompt(passage, set_index, cell, turns)
        return prompt if isinstance(prompt, str) else "\n".join(f"<{m['role']}> {m['content']}" for m in prompt)

    def has_demonstrations(self) -> bool:
        """Whether its prompts show any."""
        return bool(self.sets) and shows_demonstrations(self.turn)

    def _shown(self, set_index: int) -> Sequence[Demonstration]:
        return self.sets[set_index] if self.has_demonstrations() else ()

    def _own_messages(self, passage: Mapping[str, Any], cell: str, turns: Mapping[str, Any] | None) -> Messages:
        if not self._messages:
            return [{"role": "user", "content": self.suffix(passage, cell, turns)}]
        seen = {"passage": passage, "condition": parse_cell(cell), "turns": turns or {}}
        rendered = ((role, self._render(template, "messages", **seen)) for role, template in self._messages)
        return [{"role": role, "content": content} for role, content in rendered if content.strip()]

    def _earlier(self, set_index: int, cell: str) -> Messages:
        condition = parse_cell(cell)
        instruction = self._render(self._instruction, "instruction", condition=condition)
        messages = [{"role": "system", "content": instruction}] if instruction else []
        for demonstration in self._shown(set_index):
            own = {**dict.fromkeys(condition, ""), **demonstration.conditions}
            if self.turn.config.demonstration:
                question = self._render(
                    self._demonstration, "demonstration", demonstration=demonstration, condition=own
                )
            else:
                passage = {"title": demonstration.title, "text": demonstration.document}
                question = self._render(self._prompt, "prompt", passage=passage, condition=own, turns={})
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": demonstration.query}]
        return messages

    def _render(self, template: Any, part: str, **seen: object) -> str:
        return render(template, f"{self.turn.where}.{part}", **seen)


@dataclass(frozen=True)
class Prompts:
    """A task and its demonstration sets, ready to render."""

    task: TaskConfig
    sets: list[list[Demonstration]] = field(repr=False)

    def renderer(self) -> Renderer:
        """Renders the first turn of any planned row."""
        return Renderer(self.task, self.sets)

    def renderers(self) -> dict[str, Renderer]:
        """Renders each turn of any planned row, in the order of the task."""
        return {name: Renderer(self.task, self.sets, name) for name in resolve_turns(self.task)}


def format_cell(values: Mapping[str, str]) -> str:
    """Condition values as one string: `form=question|length=short`; empty without conditions."""
    return "|".join(f"{name}={value}" for name, value in values.items())


@functools.lru_cache(maxsize=65536)
def parse_cell(cell: str) -> dict[str, str]:
    """The inverse of `format_cell`."""
    return dict(pair.split("=", 1) for pair in cell.split("|")) if cell else {}


def input_hash(prompt: str | Messages, row: Mapping[str, Any]) -> str:
    """16 hex digits of all that a planned sample's prompts are made from, known before any engine starts.

    Two samples of equal templates and sampling with the same hash were asked the same. (`prompt_hash` is of the text
    after the model's chat template, which needs its tokenizer.)

    Args:
        prompt: the rendered prompt, as text or messages.
        row: the planned row with its passage: `title`, `text`, `cell`, which later prompts may also show.
    """
    return digest([prompt, row["title"], row["text"], row["cell"]])
