"""Refuses a key that one command gives two values: the last one would be taken, and nobody would be told.

In: arguments as the shell passed them. Out: an error that names both. It imports nothing heavy, since small commands
ask it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.errors import UserError
from engine.runtime.secrets import is_secret_key

_ONE_VALUE = re.compile(r"[\w./-]+")
"""A value that can stand in the list of a sweep without quotes."""


def refuse_twice(arguments: Sequence[str], *, sweeps: bool = True) -> None:
    """Refuses a key or a group that is given two values.

    The same override twice is no mistake, and the values of a sweep are those of one override (`-m seed=1,2`).

    Args:
        arguments: of a command; flags among them, and what is no `key=value`, are passed over.
        sweeps: whether the command can try both values, for the message.

    Raises:
        UserError: it names both overrides.
    """
    given: dict[str, str] = {}
    for text in arguments:
        key, equals, value = text.lstrip("+").partition("=")
        if not equals or text.startswith(("-", "~")) or key == "sweep":  # which `sweep` refuses itself
            continue
        first = given.setdefault(key, text)
        if (before := first.lstrip("+").partition("=")[2]) == value:
            continue
        remedy = "leave one of them out"
        if sweeps and not is_secret_key(key) and all(map(_ONE_VALUE.fullmatch, (before, value))):
            remedy += f"; to run both: synthmill -m {key}={before},{value}"
        raise UserError(f"{key} is given twice, first as {first}, and only one can count", where=text, remedy=remedy)
