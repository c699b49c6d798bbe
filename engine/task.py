"""What the model is asked to write: templates, conditions, stop strings; and how a planned sample becomes a prompt.

In: a TaskConfig (conf/task/*.yaml), demonstrations, a passage, condition values. Out: the rendered prompt, as one
string for a completion model or as chat messages. A prompt is a prefix (instruction and demonstrations, the same
for every passage) and a suffix (the passage), so that engines compute a prefix once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import UserError
from engine.identity import digest

Messages = list[dict[str, str]]


class PromptKind(Enum):
    """How the model is addressed."""

    completion = "completion"
    """Plain text that the model continues; base models, and small instruct models with demonstrations."""
    chat = "chat"
    """Messages through the model's chat template; a thinking mode is switched off."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class AttributeConfig:
    """One condition that samples are drawn under."""

    values: dict[str, float] = field(default_factory=dict)
    """Value -> weight; weights need not add up to one."""
    from_demonstrations: bool = False
    """Only values that demonstrations carry are drawn, and a sample is shown demonstrations of its own value;
    where no demonstration carries one, the condition is the empty string."""


@dataclass(frozen=True)
class TaskConfig:
    """What is asked for, as Jinja2 templates and a grid of conditions.

    Templates see `condition.NAME`; `prompt` sees also `passage.title` and `passage.text`, and `demonstration`
    sees `demonstration.document` and `demonstration.query`.
    """

    name: str = "queries"
    kind: PromptKind = PromptKind.completion
    instruction: str = ""
    """The start of every prompt (the system message of a chat)."""
    demonstration: str = ""
    """One demonstration of a completion prompt."""
    prompt: str = ""
    """The end of the prompt, with the passage."""
    stop: list[str] = field(default_factory=list)
    """Strings that end a sample."""
    attributes: dict[str, AttributeConfig] = field(default_factory=dict)
    """The grid of conditions."""


@dataclass(frozen=True)
class Demonstration:
    """One worked example shown to the model."""

    document: str
    query: str
    query_id: str = ""
    """The judged query it was taken from; such a query is left out of the evaluation."""
    conditions: Mapping[str, str] = field(default_factory=dict)


class Renderer:
    """Renders prompts of one task. Prefixes are rendered once per (demonstration set, condition values)."""

    def __init__(self, task: TaskConfig, sets: Sequence[Sequence[Demonstration]]) -> None:
        self.task, self.sets = task, sets
        self._instruction = compile_template(task.instruction, "task.instruction")
        self._demonstration = compile_template(task.demonstration, "task.demonstration")
        self._prompt = compile_template(task.prompt, "task.prompt")
        self.prefix = functools.lru_cache(maxsize=4096)(self._prefix)

    def _prefix(self, set_index: int, cell: str) -> str:
        if self.task.kind is PromptKind.chat:
            return "\n".join(turn["content"] for turn in self._earlier(set_index, cell))
        condition = parse_cell(cell)
        shown = self.sets[set_index] if self.sets else []
        parts = [render(self._instruction, "task.instruction", condition=condition)]
        for demonstration in shown:
            own = {**dict.fromkeys(condition, ""), **demonstration.conditions}
            fields = {"demonstration": demonstration, "condition": own}
            parts.append(render(self._demonstration, "task.demonstration", **fields))
        return "".join(parts)

    def suffix(self, passage: Mapping[str, Any], cell: str) -> str:
        """The end of the prompt: the passage and the cue to write."""
        return render(self._prompt, "task.prompt", passage=passage, condition=parse_cell(cell))

    def completion(self, passage: Mapping[str, Any], set_index: int, cell: str) -> str:
        """The whole prompt as one string."""
        return self.prefix(set_index, cell) + self.suffix(passage, cell)

    def messages(self, passage: Mapping[str, Any], set_index: int, cell: str) -> Messages:
        """The prompt as chat messages; demonstrations are earlier turns of the conversation."""
        return [*self._earlier(set_index, cell), {"role": "user", "content": self.suffix(passage, cell)}]

    def _earlier(self, set_index: int, cell: str) -> Messages:
        condition = parse_cell(cell)
        instruction = render(self._instruction, "task.instruction", condition=condition)
        messages = [{"role": "system", "content": instruction}] if instruction else []
        for demonstration in self.sets[set_index] if self.sets else []:
            shown = {"title": "", "text": demonstration.document}
            own = {**dict.fromkeys(condition, ""), **demonstration.conditions}
            question = render(self._prompt, "task.prompt", passage=shown, condition=own)
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": demonstration.query}]
        return messages

    def text(self, passage: Mapping[str, Any], set_index: int, cell: str) -> str:
        """The prompt as a person reads it, whatever its kind."""
        if self.task.kind is PromptKind.completion:
            return self.completion(passage, set_index, cell)
        return "\n".join(f"<{turn['role']}> {turn['content']}" for turn in self.messages(passage, set_index, cell))


def compile_template(source: str, place: str) -> Template:
    """A sandboxed Jinja2 template in which an undefined variable is an error.

    Raises:
        UserError: the template does not parse.
    """
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        return environment.from_string(source)
    except TemplateError as error:
        remedy = "mend it: {{ NAME }} writes a value, {% if NAME %} ... {% endif %} decides"
        raise UserError(f"the template does not parse: {error}", place=place, remedy=remedy) from error


def render(template: Template, place: str, **fields: object) -> str:
    """Renders a template.

    Raises:
        UserError: a variable is not defined, or an expression fails.
    """
    try:
        return template.render(**fields)
    except (TemplateError, TypeError, LookupError, AttributeError, ValueError, ArithmeticError) as error:
        remedy = f"use only {', '.join(_variables(fields)) or 'plain text'} in it"
        raise UserError(f"the template cannot be rendered: {error}", place=place, remedy=remedy) from error


def _variables(fields: Mapping[str, object]) -> list[str]:
    """What a template may name: `condition.form`, `passage.text`, ..."""
    known = {"passage": ("title", "text"), "demonstration": ("document", "query")}
    condition = fields.get("condition")
    inner = known | {"condition": tuple(condition) if isinstance(condition, Mapping) else ()}
    return [f"{name}.{part}" for name in sorted(fields) for part in inner.get(name, ())]


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


def task_to_json(task: TaskConfig) -> str:
    """The task as stored beside the plan."""
    return json.dumps(asdict(task) | {"kind": task.kind.value}, indent=2, ensure_ascii=False)


def task_from_json(text: str) -> TaskConfig:
    """The inverse of `task_to_json`."""
    fields = json.loads(text)
    attributes = {name: AttributeConfig(**value) for name, value in fields.pop("attributes").items()}
    return TaskConfig(**fields | {"kind": PromptKind(fields["kind"]), "attributes": attributes})
