"""What the model is asked to write: turns, conditions, demonstrations; and how a planned sample becomes prompts.

In: a TaskConfig (conf/task/*.yaml), demonstrations, a passage, condition values, the answers of earlier turns. Out: a
rendered prompt, as one string for a completion model or as chat messages. A prompt is a prefix (instruction and
demonstrations, the same for every passage) and a suffix (the passage), so that engines compute a prefix once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.conditions import AttributeConfig
from engine.constraints import QuotaConfig
from engine.errors import UserError, suggest
from engine.identity import digest
from engine.templates import compile_template, names_used, render, undeclared_names
from engine.turns import ParserKind, PromptKind, Turn, TurnConfig

Messages = list[dict[str, str]]

ONLY_TURN = "text"
"""Name of the turn of a task that has just one, written as the task's own `prompt`."""


@dataclass(frozen=True)
class TaskConfig:
    """What is asked for, as Jinja2 templates and conditions.

    Templates see `condition.NAME`; `prompt` sees also `passage.title` and `passage.text`, and `demonstration`
    sees `demonstration.document` and `demonstration.query`. A task of several turns names them under `turns`; what a
    turn leaves out is the task's. The last turn's answer is the sample's `text`.
    """

    name: str = "queries"
    kind: PromptKind = PromptKind.completion
    instruction: str = ""
    """The start of every prompt (the system message of a chat)."""
    demonstration: str = ""
    """One demonstration of a completion prompt."""
    prompt: str = ""
    """The end of the prompt, with the passage; for a task of one turn."""
    stop: list[str] = field(default_factory=list)
    """Strings that end a sample."""
    turns: dict[str, TurnConfig] = field(default_factory=dict)
    """The turns of a task of several, in an order in which each comes after those it names."""
    attributes: dict[str, AttributeConfig] = field(default_factory=dict)
    """The conditions that samples are drawn under."""
    exclude: list[dict[str, Any]] = field(default_factory=list)
    """Combinations that are never drawn: `{attribute: value or [values], ...}`."""
    quotas: list[QuotaConfig] = field(default_factory=list)
    """How many samples of the whole plan may have a combination: `{where: {attribute: value}, max: N}`."""


def resolve_turns(task: TaskConfig) -> dict[str, Turn]:
    """The turns of a task, in order, checked, each with the task's values where it has none of its own.

    Raises:
        UserError: a turn is wrong, or two give a field of one name.
    """
    if bool(task.prompt.strip()) == bool(task.turns):
        what = "has both a prompt and turns" if task.turns else "has no prompt"
        raise UserError(what, place="task.prompt", remedy="give the task either `prompt` or `turns`")
    own = task.turns or {ONLY_TURN: TurnConfig(prompt=task.prompt)}
    turns: dict[str, Turn] = {}
    owner: dict[str, str] = {}
    for name, config in own.items():
        shared = {part: getattr(task, part) for part in ("kind", "instruction", "demonstration", "stop")}
        left_out = {part: value for part, value in shared.items() if getattr(config, part) is None}
        place = f"task.turns.{name}" if task.turns else "task"
        if not name.isidentifier():
            raise UserError(f"{name!r} is no name", place=place, remedy="use letters, digits and underscores")
        turns[name] = Turn(name, replace(config, **left_out), place)
        for column in turns[name].field_types():
            if column in owner:
                what = f"the field {column!r} is given by the turns {owner[column]} and {name}"
                raise UserError(what, place=place, remedy="call one of them otherwise")
            owner[column] = name
    return turns


def output_limit(task: TaskConfig, max_tokens: int) -> int:
    """Output tokens that a sample may take over all its turns; `max_tokens` is the samples config's."""
    return sum(turn.config.max_tokens or max_tokens for turn in resolve_turns(task).values())


def turn_needs(turns: Mapping[str, Turn]) -> dict[str, frozenset[str]]:
    """Which earlier turns each turn reads.

    Raises:
        UserError: a turn reads itself, a later one, or one that does not exist.
    """
    named = {name: _turns_named(turn, list(turns)[:position]) for position, (name, turn) in enumerate(turns.items())}
    needs: dict[str, frozenset[str]] = {}
    for name, turn in turns.items():
        for other in sorted(named[name] - needs.keys()):
            what = f"reads the turn {other!r}, which does not come before it"
            remedy = f"write it before {name!r}" if other in turns else suggest(other, needs)
            if other == name or name in named.get(other, ()):
                what = "reads itself" if other == name else f"reads the turn {other!r}, which reads {name!r}"
                remedy = "let one of them not name the other" if other != name else "name only turns before it"
            raise UserError(what, place=turn.place, remedy=remedy)
        needs[name] = named[name]
    return needs


def _turns_named(turn: Turn, before: Sequence[str]) -> frozenset[str]:
    """The turns that a turn's templates and filter name; all before it where they name `turns` as a whole."""
    config = turn.config
    contents = [message["content"] for message in config.messages]
    sources = [config.prompt, config.instruction or "", *contents, _as_template(config.keep_if)]
    try:
        return frozenset().union(*(names_used(source, "turns") for source in sources))
    except LookupError:
        return frozenset(before)


def _as_template(expression: str) -> str:
    return "{{ " + expression + " }}" if expression else ""


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


def check_turns(task: TaskConfig, sets: Sequence[Sequence[Demonstration]], cell: str) -> None:
    """Renders every turn once, with stand-ins for a passage and for what earlier turns give.

    Raises:
        UserError: a turn cannot be rendered, or reads what does not come before it.
    """
    turns = resolve_turns(task)
    turn_needs(turns)
    seen: dict[str, Any] = {}
    for name, turn in turns.items():
        Renderer(task, sets, name).text({"title": "", "text": ""}, 0, cell, seen)
        seen[name] = stand_in(turn, "x")
        _check_filter(turn, {"condition": list(parse_cell(cell)), "turns": list(seen), "passage": ["title", "text"]})


def _check_filter(turn: Turn, known: Mapping[str, Sequence[str]]) -> None:
    """Holds the names in a turn's `keep_if` against those that there are, since it is computed only in the end."""
    source, place = _as_template(turn.config.keep_if), f"{turn.place}.keep_if"
    valid = {"text", "field", *known}
    for name in sorted(undeclared_names(source) - valid):
        raise UserError(f"there is no {name!r}", place=place, remedy=suggest(name, valid))
    free = turn.config.parser is ParserKind.json and not turn.config.json_schema
    for variable, names in {**known, **({} if free else {"field": list(turn.field_types())})}.items():
        try:
            unknown = sorted(names_used(source, variable) - set(names))
        except LookupError:
            continue  # used as a whole
        if unknown:
            remedy = suggest(unknown[0], names) if names else f"this turn has no {variable}"
            raise UserError(f"there is no {variable}.{unknown[0]}", place=place, remedy=remedy)


def stand_in(turn: Turn, text: str) -> dict[str, Any]:
    """What templates of later turns may read of a turn that has given nothing yet."""
    known = {field: _STAND_INS.get(str(kind), text) for field, kind in turn.field_types().items()}
    free = turn.config.parser is ParserKind.json and not turn.config.json_schema
    return (_AnyField if free else dict)({**known, "text": text, "reasoning": text})


_STAND_INS: dict[str, object] = {"int64": 1, "double": 1.0, "bool": True}


class _AnyField(dict[str, Any]):
    """What an answer without a schema may hold is known only when it is there."""

    def __missing__(self, name: str) -> str:
        return ""


def shows_demonstrations(turn: Turn) -> bool:
    """Whether a turn shows any: one with a `demonstration` template, and the chat of a task of one turn.

    In a chat a demonstration is a user's message, by the template or else by `prompt`, and an answer.
    """
    return bool(turn.config.demonstration or (turn.config.kind is PromptKind.chat and turn.name == ONLY_TURN))


def shows_documents(turn: Turn) -> bool:
    """Whether the demonstrations of a turn, where it shows any, show their documents."""
    if not turn.config.demonstration:
        return shows_demonstrations(turn)
    try:
        return "document" in names_used(turn.config.demonstration, "demonstration")
    except LookupError:
        return True  # used as a whole


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
        config, place = self.turn.config, self.turn.place
        self.is_chat = config.kind is PromptKind.chat
        self._instruction = compile_template(config.instruction or "", f"{place}.instruction")
        self._demonstration = compile_template(config.demonstration or "", f"{place}.demonstration")
        self._prompt = compile_template(config.prompt, f"{place}.prompt")
        self._messages = [
            (message["role"], compile_template(message["content"], f"{place}.messages")) for message in config.messages
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
        return render(template, f"{self.turn.place}.{part}", **seen)


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


def task_to_json(task: TaskConfig) -> str:
    """The task as stored beside the plan."""
    return json.dumps(asdict(task), indent=2, ensure_ascii=False, default=lambda value: value.value)


def task_from_json(text: str) -> TaskConfig:
    """The inverse of `task_to_json`."""
    stored = json.loads(text)
    attributes = {name: AttributeConfig(**value) for name, value in stored.pop("attributes").items()}
    turns = {name: _turn_from_json(value) for name, value in stored.pop("turns").items()}
    quotas = [QuotaConfig(**value) for value in stored.pop("quotas")]
    kind = PromptKind(stored.pop("kind"))
    return TaskConfig(**stored, kind=kind, attributes=attributes, turns=turns, quotas=quotas)


def _turn_from_json(stored: dict[str, Any]) -> TurnConfig:
    kind = PromptKind(stored["kind"]) if stored["kind"] else None
    return TurnConfig(**stored | {"kind": kind, "parser": ParserKind(stored["parser"])})
