"""What rows set about how their answers are drawn: columns that are named like settings, as `temperature`.

In: rows and the names of such columns. Out: a table with a column per setting, null where a row leaves it to the
generator. Values are held against the ranges of the settings here, before an engine starts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from engine.errors import UserError
from engine.task.sampling import RANGES, check_sampling

STOP = "stop"
SETTINGS = (*RANGES, STOP)
"""The settings that a row may have; there is none for a seed, with which vLLM would leave its fast sampler."""

_WHOLE = ("top_k", "max_tokens")
_MOST = 2**31
"""Engines hold whole settings in 32 bits."""
_TYPES = {name: pa.int64() if name in _WHOLE else pa.float64() for name in RANGES} | {STOP: pa.list_(pa.string())}


def sampling_table(rows: Sequence[Mapping[str, object]], names: Collection[str], places: Sequence[str]) -> pa.Table:
    """Reads what rows set about sampling.

    Args:
        rows: own columns of each.
        names: the settings that some row of the file has.
        places: where each row stands, for messages.

    Raises:
        UserError: a value is no number, or out of range.
    """
    columns: dict[str, list[object]] = {name: [] for name in names}
    for row, place in zip(rows, places, strict=True):
        for name, values in columns.items():
            values.append(_value(name, row.get(name), place))
    return pa.table({name: pa.array(values, _TYPES[name]) for name, values in columns.items()})


def _value(name: str, value: object, place: str) -> object:
    if value is None or value == "":
        return None
    if name == STOP:
        return _texts(value, place)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    is_number = math.isfinite(number) and not isinstance(value, bool)
    if not is_number or (name in _WHOLE and (number != int(number) or abs(number) >= _MOST)):
        remedy = f"write a number; where {name} is something else, set prompts.row_sampling=false"
        raise UserError(f"{name} is {value!r}", where=place, remedy=remedy)
    setting = int(number) if name in _WHOLE else number
    check_sampling({name: setting}, place)
    return setting


def _texts(value: object, place: str) -> list[str]:
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            parsed = value
        value = parsed if isinstance(parsed, list) else value
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        remedy = "write a text or a list of texts; where stop is something else, set prompts.row_sampling=false"
        raise UserError(f"stop is {value!r}", where=place, remedy=remedy)
    return list(texts)
