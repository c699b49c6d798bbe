"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

TURNED_DOWN = "keep_if does not hold"
"""How the error of a sample begins that a task's own filter turned down: it has failed, but nothing is wrong."""


class TurnError(ValueError):
    """Why a sample failed at a turn."""


@dataclass(frozen=True)
class Answer:
    """What a turn gave."""

    text: str
    reasoning: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """As templates of later turns see it."""
        return {**self.fields, "text": self.text, "reasoning": self.reasoning}


BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,3}[.)])\s+")


_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


JSON_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", re.DOTALL)


def parse_python(text: str, cut_off: str) -> str:
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


def column_value(value: object, kind: pa.DataType) -> object:
    """A parsed value as its column holds it: scalars as they are, all else as JSON."""
    if value is None or (not pa.types.is_string(kind)) or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
