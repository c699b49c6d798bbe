"""Which overrides of two starts of a sweep are the same: their order, and where something runs, changes no result.

In: overrides. Out: those that can change a score, in one order. What is no part of a result is known by the config
itself: its fields are marked with `placement()`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from typing import Any

from engine.pipeline.config import RunConfig
from engine.sweeps.written import winning

_OF_THE_MACHINE = ("cluster", "tracking", "watch", "launch", "hydra")
"""Groups of which no setting changes a result."""


def comparable(overrides: Iterable[str]) -> list[str]:
    """Returns what wins of each key that can change a result, sorted."""
    return sorted(text for text in winning(overrides) if not is_placement(text.lstrip("+~").partition("=")[0]))


def is_placement(key: str) -> bool:
    """Tells whether a config key says where or how fast something runs, and never what comes of it."""
    first, *_ = names = key.replace("/", ".").split(".")
    if first in _OF_THE_MACHINE:
        return True
    kind: Any = RunConfig
    for name in names:
        if not dataclasses.is_dataclass(kind):
            return False
        field = next((field for field in dataclasses.fields(kind) if field.name == name), None)
        if field is None or field.metadata.get("placement"):
            return field is not None
        kind = typing.get_type_hints(kind)[name]
    return False
