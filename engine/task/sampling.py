"""How a model's text is drawn: settings that a model has, and that one turn of a task may have for itself.

In: a model's config and a turn's. Out: a Sampling, which an engine takes with each request. Names and ranges are those
of vLLM's `SamplingParams`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import UserError

if TYPE_CHECKING:
    from engine.task.config import TurnConfig


class _Range(NamedTuple):
    holds: Callable[[float], bool]
    wanted: str


_PENALTY = _Range(lambda value: -2 <= value <= 2, "from -2 to 2")


RANGES: dict[str, _Range] = {
    "temperature": _Range(lambda value: value >= 0, "0 or more"),
    "top_p": _Range(lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "top_k": _Range(lambda value: value >= 0, "0 or more"),
    "min_p": _Range(lambda value: 0 <= value <= 1, "from 0 to 1"),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "max_tokens": _Range(lambda value: value >= 1, "1 or more"),
}
"""The settings, and what each may be."""


PENALTIES = ("frequency_penalty", "presence_penalty")


@dataclass(frozen=True)
class Sampling:
    """How the answer to a request is drawn; the fields of RANGES are described in SamplesConfig."""

    temperature: float
    top_p: float
    max_tokens: int
    top_k: int = 0
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    structured: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of vLLM's `StructuredOutputsParams`; empty for free text."""


def own_sampling(config: TurnConfig) -> dict[str, Any]:
    """What a turn sets for itself."""
    own = {name: getattr(config, name) for name in RANGES}
    return {name: value for name, value in own.items() if value is not None}


def check_sampling(settings: Mapping[str, Any], where: str) -> None:
    """Refuses what no engine takes.

    Raises:
        UserError: a value is out of range.
    """
    for name, value in settings.items():
        if not RANGES[name].holds(value):
            remedy = f"set it to {RANGES[name].wanted}"
            raise UserError(f"{value} is out of range", where=f"{where}.{name}={value}", remedy=remedy)
