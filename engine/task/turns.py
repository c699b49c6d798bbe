"""The turns of a task: what each asks, in which form it answers, and how its answer is read.

In: a TaskConfig. Out: its turns in order, each checked, with schema, regular expression and filter compiled; and which
earlier turns each reads. A mistake in the task is refused here, with its key, before any engine starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from engine.errors import UserError, suggest
from engine.task.answers import (
    TURNED_DOWN,
    Answer,
    Parsed,
    TurnError,
    check_text,
    column_value,
    parse_choice,
    parse_json,
    parse_list,
    parse_python,
    parse_regex,
    said,
    split_reasoning,
)
from engine.task.config import ParserKind, PromptKind, TaskConfig, TurnConfig
from engine.task.sampling import check_sampling, sampling_of_turn
from engine.task.schema import check_schema, validator_of
from engine.task.scores import Scores, check_scored, is_scored, read_scores, score_fields
from engine.task.templates import compile_expression, names_used

ONLY_TURN = "text"
"""The name of the turn of a task that has just one, which is written as the task's own `prompt`."""

_NAMED_GROUP = re.compile(r"\(\?P<\w+>")
_RESERVED_FIELDS = ("text", "reasoning")
_COLUMN_TYPES = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
"""The types of columns for those types of a JSON schema whose values a column holds as they are."""


def resolve_turns(task: TaskConfig) -> dict[str, Turn]:
    """Returns the checked turns of a task in order, each with the task's values where it has none of its own.

    Raises:
        UserError: a turn is wrong, or two turns give fields of the same name.
    """
    if bool(task.prompt.strip()) == bool(task.turns):
        what = "has both a prompt and turns" if task.turns else "has no prompt"
        raise UserError(what, where="task.prompt", remedy="give the task either `prompt` or `turns`")
    turns: dict[str, Turn] = {}
    owner: dict[str, str] = {}
    for name, config in (task.turns or {ONLY_TURN: TurnConfig(prompt=task.prompt)}).items():
        shared = {part: getattr(task, part) for part in ("kind", "instruction", "demonstration", "stop")}
        if is_scored(config):
            shared["stop"] = []
        left_out = {part: value for part, value in shared.items() if getattr(config, part) is None}
        where = f"task.turns.{name}" if task.turns else "task"
        if not name.isidentifier():
            raise UserError(f"{name!r} is no name", where=where, remedy="use letters, digits and underscores")
        turns[name] = Turn(name, _with_kind(replace(config, **left_out)), where)
        for field in turns[name].field_types():
            column = turns[name].column(field)
            if column in owner:
                what = f"the field {field!r} is given by the turns {owner[column]} and {name}"
                raise UserError(what, where=where, remedy="call one of them otherwise")
            owner[column] = name
    return turns


def _with_kind(config: TurnConfig) -> TurnConfig:
    """Returns the turn with a kind: only messages make a chat where no generator settled it (generation/kinds.py)."""
    if config.kind is not PromptKind.auto:
        return config
    return replace(config, kind=PromptKind.chat if has_messages(config) else PromptKind.completion)


def has_messages(config: TurnConfig) -> bool:
    """Tells whether a turn is a chat by what it asks: messages of its own, or those of a row."""
    return bool(config.messages or config.conversation)


def turn_needs(turns: Mapping[str, Turn]) -> dict[str, frozenset[str]]:
    """Finds the earlier turns that each turn reads.

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
    """Returns the turns that a turn's templates and filter name; all before it where they use `turns` as a whole."""
    config = turn.config
    contents = [message["content"] for message in config.messages]
    sources = [config.prompt, config.instruction or "", config.continuation, *contents, as_template(config.keep_if)]
    try:
        return frozenset().union(*(names_used(source, "turns") for source in sources))
    except LookupError:
        return frozenset(before)


def row_columns(turns: Iterable[Turn]) -> frozenset[str] | None:
    """Returns the columns of rows that turns read; None where one uses `row` as a whole, so that any may be meant."""
    named: set[str] = set()
    for turn in turns:
        try:
            for source in (*prompt_templates(turn), as_template(turn.config.keep_if)):
                named |= names_used(source, "row")
        except LookupError:
            return None
        named |= {turn.config.conversation} - {""}
    return frozenset(named)


def conditions_read(turns: Iterable[Turn]) -> frozenset[str] | None:
    """Returns the conditions that turns read of a sample, in its prompts or to decide whether an answer stays.

    What a demonstration names is its own. None: a turn uses `condition` as a whole, so that any may be meant.
    """
    named: set[str] = set()
    try:
        for turn in turns:
            for source in (turn.config.instruction or "", *prompt_templates(turn), as_template(turn.config.keep_if)):
                named |= names_used(source, "condition")
    except LookupError:
        return None
    return frozenset(named)


def prompt_templates(turn: Turn) -> list[str]:
    """Returns the templates that are rendered for each sample: the prompt or its messages, and the continuation."""
    contents = [message["content"] for message in turn.config.messages]
    return [turn.config.prompt, turn.config.continuation, *contents]


def as_template(expression: str) -> str:
    """Returns a template that writes the value of an expression, so that names can be found in it as in a template."""
    return "{{ " + expression + " }}" if expression else ""


def shows_demonstrations(turn: Turn) -> bool:
    """Tells whether prompts of a turn show demonstrations: by a `demonstration`, or in the chat of a one-turn task.

    In a chat, a demonstration is a user's message and an answer; see `asks_by_prompt`.
    """
    return bool(turn.config.demonstration or (turn.config.kind is PromptKind.chat and turn.name == ONLY_TURN))


def asks_by_prompt(turn: Turn) -> bool:
    """Tells whether the questions of a turn's demonstrations are rendered by its `prompt`, as that of the sample is.

    They are in a chat whose `demonstration` is empty or writes the answer too: that template is for completions, since
    in a chat answers are messages of their own.
    """
    return turn.config.kind is PromptKind.chat and (
        not turn.config.demonstration or _may_use(turn.config.demonstration, "demonstration", "query")
    )


def shows_documents(turn: Turn) -> bool:
    """Tells whether the demonstrations of a turn, where it shows any, show their documents."""
    if not shows_demonstrations(turn):
        return False
    if asks_by_prompt(turn):
        return _may_use(turn.config.prompt, "passage", "text")
    return _may_use(turn.config.demonstration or "", "demonstration", "document")


def _may_use(source: str, variable: str, name: str) -> bool:
    try:
        return name in names_used(source, variable)
    except LookupError:
        return True  # the variable is used as a whole


class Turn:
    """A turn, checked and compiled.

    Args:
        name: its name in the task.
        config: its settings, with the task's values filled in.
        where: its key, for messages.

    Raises:
        UserError: the turn contradicts itself, or its schema, regular expression or filter is broken.
    """

    def __init__(self, name: str, config: TurnConfig, where: str) -> None:
        self.name, self.config, self.where = name, config, where
        self._check_form()
        check_scored(config, where)
        check_sampling(sampling_of_turn(config), where)
        check_schema(config.json_schema, f"{where}.json_schema")
        self._regex = _compile_regex(config.regex, f"{where}.regex={config.regex!r}")
        self._validator = validator_of(config.json_schema)
        self._field_types = self._types_of_fields()
        self._number_types = {name: kind for name, kind in self._field_types.items() if not pa.types.is_string(kind)}
        if reserved := [field for field in self._field_types if field in _RESERVED_FIELDS]:
            what = f"a field is called {reserved[0]!r}"
            raise UserError(what, where=where, remedy="call it otherwise: `text` and `reasoning` are the answer's")
        self._keep_if = compile_expression(config.keep_if, f"{where}.keep_if") if config.keep_if else None

    def _check_form(self) -> None:
        config = self.config
        forms = [name for name in ("json_schema", "choice", "regex") if getattr(config, name)]
        if len(forms) > 1:
            raise UserError(f"has {' and '.join(forms)}", where=self.where, remedy="keep one of them")
        asked = [name for name in ("prompt", "messages", "conversation") if getattr(config, name)]
        if len(asked) != 1:
            what = f"has both a {' and '.join(asked)}" if asked else "has no prompt"
            raise UserError(what, where=self.where, remedy="give it one of `prompt`, `messages` and `conversation`")
        if has_messages(config) and config.kind is not PromptKind.chat:
            raise UserError("messages are for chats", where=f"{self.where}.{asked[0]}", remedy="set kind: chat")
        for message in config.messages:
            if set(message) != {"role", "content"}:
                what = f"a message has {', '.join(message) or 'nothing'}"
                raise UserError(what, where=f"{self.where}.messages", remedy="give each message `role` and `content`")

    def _types_of_fields(self) -> dict[str, pa.DataType]:
        if self.is_scored:
            return score_fields(self.config)
        if self.config.json_schema:
            properties = self.config.json_schema.get("properties", {})
            return {name: _column_type(schema) for name, schema in properties.items()}
        if self._regex is not None:
            return dict.fromkeys(self._regex.groupindex, pa.string())
        return {"items": pa.string()} if self.config.parser is ParserKind.list else {}

    def field_types(self) -> Mapping[str, pa.DataType]:
        """Returns the names and column types of the fields of an answer; what is no scalar is stored as JSON."""
        return self._field_types

    def column(self, field: str) -> str:
        """Returns the name of the column that holds a field: several turns may score the same choices."""
        return f"score_{self.name}_{field}" if self.is_scored else f"field_{field}"

    @property
    def is_scored(self) -> bool:
        """Tells whether the turn is scored: nothing is written at it."""
        return is_scored(self.config)

    @property
    def has_open_fields(self) -> bool:
        """Tells whether an answer may have any field, as JSON without a schema may."""
        return self.config.parser is ParserKind.json and not self.config.json_schema

    def structured(self) -> dict[str, Any]:
        """Returns the form that an engine holds the model to, as keywords of vLLM's `StructuredOutputsParams`."""
        config = self.config
        if config.json_schema:
            return {"json": config.json_schema}
        if config.choice:
            return {"choice": list(config.choice)}
        return {"regex": _NAMED_GROUP.sub("(", config.regex)} if config.regex else {}

    def read(self, raw: str, finish_reason: str, context: Mapping[str, Any]) -> Answer:
        """Reads the answer in what the model wrote.

        Args:
            raw: the completion.
            finish_reason: `length` when the token limit ended it.
            context: `passage`, `row`, `condition` and `turns`, for `keep_if`.

        Raises:
            TurnError: there is no answer, or `keep_if` does not hold for it.
        """
        check_text(raw)
        cut_off = " (cut off by the token limit)" if finish_reason == "length" else ""
        reasoning, text = split_reasoning(raw, self.config.answer_after, cut_off)
        text, fields = self._parse(text, cut_off)
        self._check_numbers(fields)
        answer = Answer(text, reasoning, fields)
        self._filter(answer, context)
        return answer

    def read_scores(self, scores: Scores, context: Mapping[str, Any]) -> Answer:
        """Reads the answer in what was scored, where the turn is scored.

        Args:
            scores: what the generator gave.
            context: as for `read`.

        Raises:
            TurnError: a log-probability is no number, or `keep_if` does not hold for it.
        """
        answer = read_scores(self.config, scores)
        self._filter(answer, context)
        return answer

    def _parse(self, text: str, cut_off: str) -> Parsed:
        if self.config.choice:
            return parse_choice(text, self.config.choice)
        if self._regex is not None:
            return parse_regex(text, self._regex, cut_off)
        if self.config.json_schema or self.config.parser is ParserKind.json:
            return parse_json(text, self._validator, cut_off)
        if self.config.parser is ParserKind.list:
            return parse_list(text)
        if self.config.parser is ParserKind.python:
            return parse_python(text, cut_off)
        return text, {}

    def _check_numbers(self, fields: Mapping[str, Any]) -> None:
        """Refuses a number that its column cannot hold, since with it no row of the part could be written."""
        for name, kind in self._number_types.items():
            try:
                column_value(fields.get(name), kind)
            except OverflowError as error:
                what = f"the field {name!r} is {str(fields[name])[:30]}, which a column of {kind} cannot hold"
                raise TurnError(what) from error

    def _filter(self, answer: Answer, context: Mapping[str, Any]) -> None:
        """Turns down an answer for which `keep_if` does not hold."""
        if self._keep_if is None:
            return
        try:
            kept = bool(self._keep_if(text=answer.text, field=answer.fields, **context))
        except Exception as error:  # an expression may raise anything; an undefined field has no truth
            raise TurnError(f"keep_if cannot be computed: {said(error)}") from error
        if not kept:
            raise TurnError(f"{TURNED_DOWN}: {self.config.keep_if}")


def _compile_regex(source: str, where: str) -> re.Pattern[str] | None:
    if not source:
        return None
    try:
        return re.compile(source, re.DOTALL)
    except re.error as error:
        remedy = "write it in the syntax of Python's `re`; (?P<NAME>...) makes a field"
        raise UserError(str(error), where=where, remedy=remedy) from error


def _column_type(schema: object) -> pa.DataType:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return _COLUMN_TYPES.get(kind, pa.string()) if isinstance(kind, str) else pa.string()
