"""Anything that a model may write: a seeded generator of answers, most of which no task asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

Draw = random.Random

_CHARACTERS = "ab c\n\t\0\x1b\r\x85\u2028\u202e\ufeff\ud800\udfffé漢\U0001f41d\"'`\\[]{}(),:;.-*%#=<>|&0123456789"
_NUMBERS = (
    *("0", "-0", "7", "3.0", "-3.5", "1e5", "1E400", "-1e999", "1e-999", "NaN", "Infinity", "-Infinity", "0x1f", "01"),
    *(str(2**53 + 1), str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), "1e300", "1.0e18", "1e19"),
    *("9" * 400, "9" * 4299, "9" * 5000, "-" + "1" * 309, "1" * 309 + ".0", "0." + "3" * 2000),
)
_STRINGS = (
    *('""', '"plain"', r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', r'"\u0000"', '"\ud800"', '"\0"', r'"\x"'),
    *('"' + "long " * 20_000 + '"', '"```"', '"[/b]"', '"12"', '"unclosed', '"\u2028"', '"{{ 7 * 7 }}"'),
)
_CODE = ("x = 1", "def f(:", "a" + ".b" * 5000, "(" * 300, "-" * 9000 + "1", "not " * 9000 + "1", "9" * 5000, "'\0'")


def _bytes_as_text(draw: Draw) -> str:
    return draw.randbytes(draw.randrange(200)).decode("utf-8", draw.choice(["replace", "surrogateescape"]))


def _characters(draw: Draw) -> str:
    return "".join(draw.choices(_CHARACTERS, k=draw.choice([0, 1, 5, 40, 400])))


def _nesting(draw: Draw) -> str:
    """Brackets that open and may close again: to any depth, of one kind or of several."""
    openings = draw.choices(draw.choice(["[", '{"a":', '[{"a":']), k=1) * draw.choice([1, 30, 63, 64, 65, 90, 400, 990])
    openings *= draw.choice([1, 1, 100])
    closings = "".join("]" if opening == "[" else "}" for opening in reversed(openings))
    return "".join(openings) + draw.choice(["", "1"]) + draw.choice([closings, ""])


def _value(draw: Draw) -> str:
    """One value as JSON, or as what a model takes for JSON."""
    kinds: list[Callable[[Draw], str]] = [
        lambda draw: draw.choice(_NUMBERS),
        lambda draw: draw.choice(_STRINGS),
        lambda draw: draw.choice(["true", "false", "null", "True", "None", "undefined", ""]),
        lambda draw: f"[{_value(draw)}, {_value(draw)}]",
        lambda draw: f'{{"a": {_value(draw)}}}',
        _nesting,
    ]
    return draw.choices(kinds, [6, 4, 3, 1, 1, 1])[0](draw)


def _object(draw: Draw, fields: Mapping[str, object]) -> str:
    """An object whose fields have the right types or any, so that each type of column is met by each value."""
    fitting = draw.random()  # some objects are right but for one field
    parts = [
        f'"{name}": {json.dumps(right) if draw.random() < fitting else _value(draw)}' for name, right in fields.items()
    ]
    return "{" + ", ".join(part for part in parts if draw.random() < 0.95) + "}"


def any_answer(draw: Draw, fields: Mapping[str, object]) -> str:
    """An answer.

    Args:
        draw: what decides; the same state gives the same answer.
        fields: a right value by field of the task.
    """
    kinds: list[Callable[[Draw], str]] = [
        lambda draw: _object(draw, fields),
        _bytes_as_text,
        _characters,
        _value,
        lambda draw: draw.choice(["a", "b", "2026-11", "1. one\n- two", "x = 1", "word " * 50_000]),
        lambda draw: f"```{draw.choice(['python', 'json', ''])}\n{draw.choice(_CODE)}\n```",
        lambda draw: draw.choice(_CODE),
    ]
    text = draw.choices(kinds, [6, 1, 2, 3, 3, 1, 2])[0](draw)
    fence = draw.choices(
        [("", ""), ("```json\n", "\n```"), ("```", ""), ("```json" + "\n" * 20_000, "")], [9, 1, 1, 0.1]
    )[0]
    reasoned = draw.choices(["", "because\nAnswer:", "\ud800 Answer:"], [8, 3, 0.2])[0]
    return reasoned + fence[0] + text + fence[1]
