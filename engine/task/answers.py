"""Reads the answer in a completion: its text, the reasoning before it, and the fields that were parsed out of it.

In: what the model wrote, and the form that a turn asks for. Out: the answer's text and its fields, or a TurnError that
says why there is none. A model may write anything at all: what comes out of here can be stored, and is read again from
any depth of a program. Nothing that a model wrote is ever run.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

TURNED_DOWN = "keep_if does not hold"
"""The beginning of the error of a sample that a task's own filter turned down: it has failed, but nothing is wrong."""

_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.)])\s+")
_PYTHON_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_JSON_FENCE = re.compile(r"^\s*```(?:json)?[ \t\r]*\n(.*?)```\s*$", re.DOTALL)
_DEEPEST = 64
"""The most levels of objects and arrays in a JSON answer. Python reads about a thousand, and fewer where many calls are
open, so that the report could not read what an engine read at that limit."""
_INTEGERS = range(-(2**63), 2**63)
"""The integers that a column of them can hold."""

Parsed = tuple[str, dict[str, Any]]
"""The text of an answer, and its fields by name."""


class TurnError(ValueError):
    """Why a sample failed at a turn."""


@dataclass(frozen=True)
class Answer:
    """The answer to a turn."""

    text: str
    reasoning: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Returns the answer as templates of later turns see it: its fields, and `text` and `reasoning`."""
        return {**self.fields, "text": self.text, "reasoning": self.reasoning}


def check_text(text: str) -> None:
    """Refuses half of a surrogate pair in a text: it has no UTF-8, so that no file and no engine takes it.

    Raises:
        TurnError: the text holds one.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise TurnError(f"no text: it holds half of a surrogate pair ({half}), which is no character") from error


def storable(text: str) -> str:
    """Returns a text as a file can hold it: what `check_text` refuses is written as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def said(error: Exception) -> str:
    """Returns the message of an exception, or its name where it has none, as for a MemoryError."""
    return str(error) or type(error).__name__


def split_reasoning(raw: str, marker: str, cut_off: str) -> tuple[str, str]:
    """Splits a completion at a marker into the reasoning before it and the answer after it.

    Args:
        raw: the completion.
        marker: empty where all of it is the answer.
        cut_off: what an error ends with; it says so when the token limit ended the completion. All functions here
            that may have got half an answer take it.

    Raises:
        TurnError: the marker is not there.
    """
    if not marker:
        return "", raw
    reasoning, present, text = raw.partition(marker)
    if not present:
        raise TurnError(f"no {marker!r} in what was written{cut_off}")
    return reasoning.strip(), text.strip()


def parse_choice(text: str, choices: Sequence[str]) -> Parsed:
    """Reads an answer that is one of a few texts, apart from blanks around it.

    Raises:
        TurnError: it is none of them.
    """
    chosen = text.strip()
    if chosen not in choices:
        raise TurnError(f"{chosen[:60]!r} is none of {', '.join(choices)}")
    return chosen, {}


def parse_regex(text: str, regex: re.Pattern[str], cut_off: str) -> Parsed:
    """Reads an answer that matches an expression as a whole; the named groups are its fields.

    Raises:
        TurnError: it does not match.
    """
    match = regex.fullmatch(text.strip())
    if not match:
        raise TurnError(f"does not match {regex.pattern!r}{cut_off}")
    return match[0], match.groupdict()


def parse_json(text: str, validator: Draft202012Validator | None, cut_off: str) -> Parsed:
    """Reads a JSON value, out of its fence if it has one; what an object holds at its top level are the fields.

    It is JSON as other programs read it, without NaN, Infinity or a number such as 1e999, and at most 64 levels deep.

    Raises:
        TurnError: it is no JSON, or does not fit the schema.
    """
    fenced = _JSON_FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
        _check_depth(value)
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise TurnError(f"no JSON: more than {_DEEPEST} levels deep{cut_off}") from error
    except ValueError as error:
        raise TurnError(f"no JSON: {error}{cut_off}") from error
    check_text(written)
    if validator and (violation := _violation(value, validator)):
        raise TurnError(f"JSON does not fit the schema: {violation[:200]}")
    return written, value if isinstance(value, dict) else {}


def _check_depth(value: object) -> None:
    """Raises RecursionError for a JSON value that is too deep, whatever the calls that are open now."""
    level = _nested([value])
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _nested(outer.values() if isinstance(outer, dict) else outer)]
        if not level:
            return
    raise RecursionError


def _nested(values: Iterable[Any]) -> list[dict[str, Any] | list[Any]]:
    """Gives those of some values that hold other values."""
    return [value for value in values if isinstance(value, dict | list)]


def _violation(value: object, validator: Draft202012Validator) -> str:
    """Says why a value does not fit a schema; empty where it does."""
    try:
        violation = next(validator.iter_errors(value), None)
    except Exception as error:  # whatever its checks raise: an integer of 400 digits cannot be divided by 0.5
        raise TurnError(f"the schema cannot be applied to the JSON: {said(error)}") from error
    return violation.message if violation else ""


def parse_list(text: str) -> Parsed:
    """Reads one item per line, without its number or bullet, as the field `items`.

    Raises:
        TurnError: there is no item.
    """
    items = [item for line in text.splitlines() if (item := _BULLET.sub("", line).strip())]
    if not items:
        raise TurnError("no item in the list")
    return text, {"items": items}


def parse_python(text: str, cut_off: str) -> Parsed:
    """Reads source code, out of its fence if it has one; parsing builds a syntax tree and runs nothing.

    Raises:
        TurnError: the code does not compile, or there is none.
    """
    fenced = _PYTHON_FENCE.search(text)
    code = (fenced[1] if fenced else text).strip("\n")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TurnError(f"the code does not compile: {said(error)}{cut_off}") from error
    if not tree.body:
        raise TurnError(f"no code{cut_off}")
    return code, {}


def column_value(value: object, kind: pa.DataType) -> object:
    """Returns a parsed value as its column holds it: scalars as they are, all else as JSON.

    Args:
        value: it fits the schema by which the column has its type.
        kind: the column's type.

    Raises:
        OverflowError: it is a number beyond what the column holds.
    """
    if value is None or isinstance(value, str):
        return value
    if pa.types.is_string(kind):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float) and pa.types.is_integer(kind):
        number = int(value)  # 3.0 is an integer to a schema
        if number not in _INTEGERS:
            raise OverflowError("integers have 64 bits")
        return number
    return float(value) if isinstance(value, int) and pa.types.is_floating(kind) else value
