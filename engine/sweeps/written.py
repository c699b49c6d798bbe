"""Values as Hydra's overrides: what a search chose, or where a point lies, as the command line takes it.

In: a key and a plain value. Out: `key=value`, whatever signs the value holds; and overrides of several sources as one
command takes them, each key once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"(?:[A-Za-z_/]|\.\.?/)[A-Za-z0-9_./-]*")
"""Texts that need no quotes: Hydra reads them as they are."""
_READ_OTHERWISE = {"true", "false", "null", "nan", "inf"}
"""Texts that Hydra reads as another kind of value where they stand without quotes."""
_IN_NAMES, _ESCAPED = re.compile(r"([\\()\[\]{}:=, \t])"), r"\\\1"
"""What is escaped in the names of a mapping, which cannot be quoted."""
_BEFORE_QUOTE = re.compile(r'(\\*)("|$)')


def as_override(key: str, value: Any) -> str:
    """Writes an override.

    Args:
        key: a config key or group.
        value: null, true or false, a number, a text, or a list or mapping of such.
    """
    return f"{key}={_written(value)}"


def replacing(overrides: Sequence[str], later: Iterable[str]) -> list[str]:
    """Returns overrides with later ones behind them, without those of the same key that these replace.

    A command refuses a key that is given two values, and a point is told what its sweep sets in place of what the user
    wrote for all points.
    """
    last = list(later)
    keys = {_key(text) for text in last}
    return [*(text for text in overrides if text.startswith(("~", "-")) or _key(text) not in keys), *last]


def winning(overrides: Iterable[str]) -> list[str]:
    """Returns overrides without those that a later one of the same key replaces."""
    last: list[str] = []
    for text in overrides:
        last = replacing(last, [text])
    return last


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0]


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{"
            + ",".join(f"{_IN_NAMES.sub(_ESCAPED, str(name))}:{_written(part)}" for name, part in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _READ_OTHERWISE:
        return value
    # A backslash counts as one before a quote only, where each of them is doubled.
    inner = _BEFORE_QUOTE.sub(lambda match: match[1] * 2 + ('\\"' if match[2] else ""), value)
    return f'"{inner}"'
