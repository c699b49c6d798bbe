"""What the model is asked to write: turns, conditions, demonstrations; and how a planned sample becomes prompts.

In: a TaskConfig (conf/task/*.yaml), demonstrations, a passage, condition values, the answers of earlier turns. Out: a
rendered prompt, as one string for a completion model or as chat messages. A prompt is a prefix (instruction and
demonstrations, the same for every passage) and a suffix (the passage), so that engines compute a prefix once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from jinja2 import TemplateError
from jsonschema import Draft202012Validator

from engine.errors import UserError, suggest
from engine.task.answers import BULLET, JSON_FENCE, TURNED_DOWN, Answer, TurnError, column_value, parse_python
from engine.task.config import ParserKind, PromptKind, TaskConfig, TurnConfig
from engine.task.sampling import check_sampling, own_sampling
from engine.task.schema import check_schema
from engine.task.templates import compile_expression, names_used

ONLY_TURN = "text"
"""Name of the turn of a task that has just one, written as the task's own `prompt`."""


def resolve_turns(task: TaskConfig) -> dict[str, Turn]:
    """The turns of a task, in order, checked, each with the task's values where it has none of its own.

    Raises:
        UserError: a turn is wrong, or two give a field of one name.
    """
    if bool(task.prompt.strip()) == bool(task.turns):
        what = "has both a prompt and turns" if task.turns else "has no prompt"
        raise UserError(what, where="task.prompt", remedy="give the task either `prompt` or `turns`")
    own = task.turns or {ONLY_TURN: TurnConfig(prompt=task.prompt)}
    turns: dict[str, Turn] = {}
    owner: dict[str, str] = {}
    for name, config in own.items():
        shared = {part: getattr(task, part) for part in ("kind", "instruction", "demonstration", "stop")}
        left_out = {part: value for part, value in shared.items() if getattr(config, part) is None}
        where = f"task.turns.{name}" if task.turns else "task"
        if not name.isidentifier():
            raise UserError(f"{name!r} is no name", where=where, remedy="use letters, digits and underscores")
        turns[name] = Turn(name, replace(config, **left_out), where)
        for column in turns[name].field_types():
            if column in owner:
                what = f"the field {column!r} is given by the turns {owner[column]} and {name}"
                raise UserError(what, where=where, remedy="call one of them otherwise")
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
            raise UserError(what, where=turn.where, remedy=remedy)
        needs[name] = named[name]
    return needs


def _turns_named(turn: Turn, before: Sequence[str]) -> frozenset[str]:
    """The turns that a turn's templates and filter name; all before it where they name `turns` as a whole."""
    config = turn.config
    contents = [message["content"] for message in config.messages]
    sources = [config.prompt, config.instruction or "", *contents, as_template(config.keep_if)]
    try:
        return frozenset().union(*(names_used(source, "turns") for source in sources))
    except LookupError:
        return frozenset(before)


def as_template(expression: str) -> str:
    return "{{ " + expression + " }}" if expression else ""


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


_NAMED_GROUP = re.compile(r"\(\?P<\w+>")


_ARROW = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


_RESERVED = ("text", "reasoning")


class Turn:
    """A turn, checked and compiled.

    Args:
        name: its name in the task.
        config: with the task's values filled in.
        place: its key, for messages.

    Raises:
        UserError: the turn contradicts itself, or its schema, regular expression or filter is broken.
    """

    def __init__(self, name: str, config: TurnConfig, where: str) -> None:
        self.name, self.config, self.where = name, config, where
        self._check_form()
        self._keep_if = compile_expression(config.keep_if, f"{where}.keep_if") if config.keep_if else None
        self._validator = Draft202012Validator(config.json_schema) if config.json_schema else None
        self._regex = re.compile(config.regex, re.DOTALL) if config.regex else None

    def _check_form(self) -> None:
        config = self.config
        forms = [name for name in ("json_schema", "choice", "regex") if getattr(config, name)]
        if len(forms) > 1:
            raise UserError(f"has {' and '.join(forms)}", where=self.where, remedy="keep one of them")
        if bool(config.prompt) == bool(config.messages):
            what = "has both a prompt and messages" if config.prompt else "has no prompt"
            raise UserError(what, where=self.where, remedy="give it either `prompt` or `messages`")
        if config.messages and config.kind is not PromptKind.chat:
            raise UserError("messages are for chats", where=f"{self.where}.messages", remedy="set kind: chat")
        for message in config.messages:
            if set(message) != {"role", "content"}:
                what = f"a message has {', '.join(message) or 'nothing'}"
                raise UserError(what, where=f"{self.where}.messages", remedy="give each message `role` and `content`")
        check_sampling(own_sampling(config), self.where)
        check_schema(config.json_schema, f"{self.where}.json_schema")
        try:
            re.compile(config.regex)
        except re.error as error:
            remedy = "write it in the syntax of Python's `re`; (?P<NAME>...) makes a field"
            raise UserError(str(error), where=f"{self.where}.regex={config.regex!r}", remedy=remedy) from error
        if reserved := [name for name in self.field_types() if name in _RESERVED]:
            what = f"a field is called {reserved[0]!r}"
            raise UserError(what, where=self.where, remedy="call it otherwise: `text` and `reasoning` are the answer's")

    def field_types(self) -> dict[str, pa.DataType]:
        """Names and column types of the fields that an answer has; what is no scalar is stored as JSON."""
        if self.config.json_schema:
            properties = self.config.json_schema.get("properties", {})
            return {name: _column_type(schema) for name, schema in properties.items()}
        if self.config.regex:
            return dict.fromkeys(re.compile(self.config.regex).groupindex, pa.string())
        return {"items": pa.string()} if self.config.parser is ParserKind.list else {}

    def structured(self) -> dict[str, Any]:
        """The form that an engine holds the model to, as keywords of vLLM's `StructuredOutputsParams`."""
        config = self.config
        if config.json_schema:
            return {"json": config.json_schema}
        if config.choice:
            return {"choice": list(config.choice)}
        return {"regex": _NAMED_GROUP.sub("(", config.regex)} if config.regex else {}

    def read(self, raw: str, finish_reason: str, context: Mapping[str, Any]) -> Answer:
        """The answer in what the model wrote.

        Args:
            raw: the completion.
            finish_reason: `length` when the token limit ended it.
            context: `passage`, `condition` and `turns`, for `keep_if`.

        Raises:
            TurnError: there is none, or `keep_if` does not hold for it.
        """
        cut_off = " (cut off by the token limit)" if finish_reason == "length" else ""
        reasoning, text = self._split(raw, cut_off)
        text, fields = self._parse(text, cut_off)
        answer = Answer(text, reasoning, fields)
        if self._keep_if is not None:
            try:
                holds = self._keep_if(text=answer.text, field=answer.fields, **context)
            except (TemplateError, TypeError, LookupError, AttributeError, ValueError, ArithmeticError) as error:
                raise TurnError(f"keep_if cannot be computed: {error}") from error
            if not holds:
                raise TurnError(f"{TURNED_DOWN}: {self.config.keep_if}")
        return answer

    def _split(self, raw: str, cut_off: str) -> tuple[str, str]:
        marker = self.config.answer_after
        if not marker:
            return "", raw
        reasoning, found, text = raw.partition(marker)
        if not found:
            raise TurnError(f"no {marker!r} in what was written{cut_off}")
        return reasoning.strip(), text.strip()

    def _parse(self, text: str, cut_off: str) -> tuple[str, dict[str, Any]]:
        if self.config.choice:
            return self._parse_choice(text)
        if self._regex is not None:
            return self._parse_regex(text, self._regex, cut_off)
        if self.config.json_schema or self.config.parser is ParserKind.json:
            return self._parse_json(text, cut_off)
        if self.config.parser is ParserKind.list:
            items = [item for line in text.splitlines() if (item := BULLET.sub("", line).strip())]
            if not items:
                raise TurnError("no item in the list")
            return text, {"items": items}
        if self.config.parser is ParserKind.python:
            return parse_python(text, cut_off), {}
        return text, {}

    def _parse_choice(self, text: str) -> tuple[str, dict[str, Any]]:
        chosen = text.strip()
        if chosen not in self.config.choice:
            raise TurnError(f"{chosen[:60]!r} is none of {', '.join(self.config.choice)}")
        return chosen, {}

    def _parse_regex(self, text: str, regex: re.Pattern[str], cut_off: str) -> tuple[str, dict[str, Any]]:
        match = regex.fullmatch(text.strip())
        if not match:
            raise TurnError(f"does not match {self.config.regex!r}{cut_off}")
        return match[0], match.groupdict()

    def _parse_json(self, text: str, cut_off: str) -> tuple[str, dict[str, Any]]:
        fenced = JSON_FENCE.match(text)
        try:
            value = json.loads(fenced[1] if fenced else text)
        except ValueError as error:
            raise TurnError(f"no JSON: {error}{cut_off}") from error
        if self._validator and (found := next(self._validator.iter_errors(value), None)):
            raise TurnError(f"JSON does not fit the schema: {found.message[:200]}")
        return json.dumps(value, ensure_ascii=False), value if isinstance(value, dict) else {}


def _column_type(schema: object) -> pa.DataType:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return _ARROW.get(kind, pa.string()) if isinstance(kind, str) else pa.string()


def answer_columns(turns: Mapping[str, Turn]) -> list[pa.Field]:
    """Columns that the turns of a task add to a sample, whose `text` is the last turn's answer."""
    *earlier, _last = turns
    texts = [pa.field(f"turn_{name}", pa.string()) for name in earlier]
    reasons = [pa.field(f"reasoning_{name}", pa.string()) for name, turn in turns.items() if turn.config.answer_after]
    values = [pa.field(f"field_{name}", kind) for turn in turns.values() for name, kind in turn.field_types().items()]
    return [*texts, *reasons, *values]


def answer_values(turns: Mapping[str, Turn], answers: Mapping[str, Answer]) -> dict[str, object]:
    """Values of `answer_columns` for one sample; null for what a failed sample never came to."""
    values: dict[str, object] = {}
    for name, turn in turns.items():
        answer = answers.get(name)
        values[f"turn_{name}"] = answer and answer.text
        values[f"reasoning_{name}"] = answer and answer.reasoning
        for part, kind in turn.field_types().items():
            values[f"field_{part}"] = column_value(answer.fields.get(part), kind) if answer else None
    return values
