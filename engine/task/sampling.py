"""The settings by which a model's text is drawn, which a model has and a turn of a task may have for itself.

In: a model's config and a turn's. Out: a Sampling, which an engine takes with each request. Names and ranges are those
of vLLM's `SamplingParams`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.errors import check_setting
from engine.task.config import TurnConfig


class Range(NamedTuple):
    """The values that a setting may have."""

    allows: Callable[[float], bool]
    bounds: str
    """The allowed values in words, which complete `set it to ...`."""


_PENALTY = Range(lambda value: -2 <= value <= 2, "from -2 to 2")

RANGES: dict[str, Range] = {
    "temperature": Range(lambda value: value >= 0, "0 or more"),
    "top_p": Range(lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "top_k": Range(lambda value: value >= 0, "0 or more"),
    "min_p": Range(lambda value: 0 <= value <= 1, "from 0 to 1"),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "max_tokens": Range(lambda value: value >= 1, "1 or more"),
}
"""The settings by name, and what each may be; configs, checks and requests all take the names from this table."""

PENALTIES = ("frequency_penalty", "presence_penalty")
"""The settings that are for free text, and that would fall on the quotation marks of a JSON answer."""


@dataclass(frozen=True)
class Sampling:
    """How the answer to a request is drawn; what each does is described in the generator's config."""

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


def sampling_of_turn(config: TurnConfig) -> dict[str, Any]:
    """Returns the settings that a turn has for itself, by name; it leaves the others to the model's config."""
    settings = {name: getattr(config, name) for name in RANGES}
    return {name: value for name, value in settings.items() if value is not None}


def check_sampling(settings: Mapping[str, Any], where: str) -> None:
    """Refuses settings that no engine takes.

    Args:
        settings: values by name, of any of RANGES.
        where: the key that they stand under, for messages.

    Raises:
        UserError: a value is out of range.
    """
    for name, value in settings.items():
        check_setting(RANGES[name].allows(value), f"{where}.{name}", value, RANGES[name].bounds)
