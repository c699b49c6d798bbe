"""One turn of a task: what it asks, under which sampling and form, and what of the model's output is its answer.

In: a TurnConfig (part of conf/task/*.yaml) and the raw text of a completion. Out: an Answer with the text that later
turns and columns get, the reasoning kept apart from it, and parsed fields; or a TurnError, the reason why the sample
has failed at this turn.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pyarrow as pa
from jinja2 import TemplateError
from jsonschema import Draft202012Validator

from engine.errors import UserError
from engine.json_schema import check_schema
from engine.sampling import check_sampling, own_sampling
from engine.templates import compile_expression


class PromptKind(Enum):
    """How the model is addressed."""

    completion = "completion"
    """Plain text that the model continues; base models, and small instruct models with demonstrations."""
    chat = "chat"
    """Messages through the model's chat template; a thinking mode is switched off."""


class ParserKind(Enum):
    """What an answer is read as."""

    text = "text"
    """As it stands."""
    json = "json"
    """A JSON value; with `json_schema`, its top-level fields become columns."""
    list = "list"
    """One item per line, numbers and bullets removed; field `items`."""
    python = "python"
    """Source code, out of its fence if it has one; it must compile, and is never run."""


TURNED_DOWN = "keep_if does not hold"
"""How the error of a sample begins that a task's own filter turned down: it has failed, but nothing is wrong."""


class TurnError(ValueError):
    """Why a sample failed at a turn."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class TurnConfig:
    """One turn. What is left out (null) is the task's, and then the samples config's.

    Templates see `passage.title`, `passage.text`, `condition.NAME` and, of earlier turns, `turns.NAME.text`,
    `turns.NAME.reasoning` and `turns.NAME.FIELD`; naming an earlier turn is what makes a turn wait for it.
    """

    prompt: str = ""
    """The end of the prompt (the last message of a chat)."""
    messages: list[dict[str, str]] = field(default_factory=list)
    """For chats, in place of `prompt`: {role, content} messages, so that earlier turns can be a dialogue."""
    model: str = ""
    """One of `samples.models` that answers; empty for `samples.model`."""
    kind: PromptKind | None = None
    instruction: str | None = None
    demonstration: str | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    json_schema: dict[str, Any] = field(default_factory=dict)
    """A JSON schema that the engine holds the model to; top-level properties become columns `field_NAME`."""
    choice: list[str] = field(default_factory=list)
    """The answer is one of these."""
    regex: str = ""
    """The answer matches this; its named groups become columns `field_NAME`."""
    parser: ParserKind = ParserKind.text
    answer_after: str = ""
    """What comes before this marker is reasoning, what comes after it is the answer."""
    keep_if: str = ""
    """A Jinja2 expression over `text`, `field.NAME`, `passage`, `condition` and `turns` that must hold."""


@dataclass(frozen=True)
class Answer:
    """What a turn gave."""

    text: str
    reasoning: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """As templates of later turns see it."""
        return {**self.fields, "text": self.text, "reasoning": self.reasoning}


_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.)])\s+")
_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_JSON_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", re.DOTALL)
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

    def __init__(self, name: str, config: TurnConfig, place: str) -> None:
        self.name, self.config, self.place = name, config, place
        self._check_form()
        self._keep_if = compile_expression(config.keep_if, f"{place}.keep_if") if config.keep_if else None
        self._validator = Draft202012Validator(config.json_schema) if config.json_schema else None
        self._regex = re.compile(config.regex, re.DOTALL) if config.regex else None

    def _check_form(self) -> None:
        config = self.config
        forms = [name for name in ("json_schema", "choice", "regex") if getattr(config, name)]
        if len(forms) > 1:
            raise UserError(f"has {' and '.join(forms)}", place=self.place, remedy="keep one of them")
        if bool(config.prompt) == bool(config.messages):
            what = "has both a prompt and messages" if config.prompt else "has no prompt"
            raise UserError(what, place=self.place, remedy="give it either `prompt` or `messages`")
        if config.messages and config.kind is not PromptKind.chat:
            raise UserError("messages are for chats", place=f"{self.place}.messages", remedy="set kind: chat")
        for message in config.messages:
            if set(message) != {"role", "content"}:
                what = f"a message has {', '.join(message) or 'nothing'}"
                raise UserError(what, place=f"{self.place}.messages", remedy="give each message `role` and `content`")
        check_sampling(own_sampling(config), self.place)
        check_schema(config.json_schema, f"{self.place}.json_schema")
        try:
            re.compile(config.regex)
        except re.error as error:
            remedy = "write it in the syntax of Python's `re`; (?P<NAME>...) makes a field"
            raise UserError(str(error), place=f"{self.place}.regex={config.regex!r}", remedy=remedy) from error
        if reserved := [name for name in self.field_types() if name in _RESERVED]:
            what = f"a field is called {reserved[0]!r}"
            raise UserError(what, place=self.place, remedy="call it otherwise: `text` and `reasoning` are the answer's")

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
            items = [item for line in text.splitlines() if (item := _BULLET.sub("", line).strip())]
            if not items:
                raise TurnError("no item in the list")
            return text, {"items": items}
        if self.config.parser is ParserKind.python:
            return _parse_python(text, cut_off), {}
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
        fenced = _JSON_FENCE.match(text)
        try:
            value = json.loads(fenced[1] if fenced else text)
        except ValueError as error:
            raise TurnError(f"no JSON: {error}{cut_off}") from error
        if self._validator and (found := next(self._validator.iter_errors(value), None)):
            raise TurnError(f"JSON does not fit the schema: {found.message[:200]}")
        return json.dumps(value, ensure_ascii=False), value if isinstance(value, dict) else {}


def _parse_python(text: str, cut_off: str) -> str:
    """The code in an answer. Parsing builds a syntax tree and runs nothing."""
    fenced = _FENCE.search(text)
    code = (fenced[1] if fenced else text).strip("\n")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TurnError(f"the code does not compile: {error}{cut_off}") from error
    if not tree.body:
        raise TurnError(f"no code{cut_off}")
    return code


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


def column_value(value: object, kind: pa.DataType) -> object:
    """A parsed value as its column holds it: scalars as they are, all else as JSON."""
    if value is None or (not pa.types.is_string(kind)) or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
