"""Refuses numbers that are none: nan passes many a comparison with a bound, and what follows from it is chance.

In: a config as it was composed. Out: nothing, or the key of what is wrong. It is looked through once as a whole, also
where the schema leaves open what a mapping holds, so that no check of a single setting has to think of nan.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from engine.command_line.schema import annotated_type
from engine.errors import check_setting


def check_finite(config: DictConfig) -> None:
    """Refuses nan and infinity.

    Args:
        config: of a run; of a setting that follows another key only that key is looked at.

    Raises:
        UserError: a number is not finite; its key is named.
    """
    for key, number in _numbers(OmegaConf.to_container(config, resolve=False)):
        check_setting(math.isfinite(number), key, number, _allowed(key, number), fault="is no finite number")


def _allowed(key: str, number: float) -> str:
    """Says what may stand in the place of a number; where texts may, `nan` in quotes is one, as that of a language."""
    kind = annotated_type(key.split("."))
    is_number = float in (kind, *typing.get_args(kind))
    return "a finite number" if is_number else f"a finite number, or quote it where it is a text: '\"{number}\"'"


def _numbers(value: object, key: str = "") -> Iterator[tuple[str, float]]:
    """Gives the numbers in a value, each with the key of the setting; those in a list have the key of the list."""
    if isinstance(value, float):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, key)
