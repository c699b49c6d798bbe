"""Values with weights as a person writes them in YAML, and the shares that they ask for.

In: a list or a mapping of weights, and its key. Out: texts with weights. It is apart from planning, because the report
compares what was written with the shares that were asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from engine.errors import UserError
from engine.task.config import AttributeConfig
from engine.text.surrogates import check_whole


def target_shares(attribute: AttributeConfig) -> dict[str, float]:
    """Returns the shares that a plain list of values asks for, by value; empty for any other kind of attribute."""
    if not attribute.values or attribute.pick or attribute.depends_on:
        return {}
    weights = {value: weight for value, weight in weights_of(attribute.values, "").items() if weight > 0}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}


def weights_of(raw: object, where: str) -> dict[str, float]:
    """Reads a list or a mapping of weights as value -> weight; zeros are kept.

    Args:
        raw: as YAML gave it.
        where: its key, for messages.

    Raises:
        UserError: it is neither, a value is no text or number or stands twice, or a weight is no number.
    """
    if isinstance(raw, Mapping):
        pairs = list(raw.items())
    elif isinstance(raw, Sequence) and not isinstance(raw, str):
        pairs = [(value, 1.0) for value in raw]
    else:
        raise UserError(f"{raw!r} is no list", where=where, remedy="write [a, b] or {a: 3, b: 1}")
    weights: dict[str, float] = {}
    for value, weight in pairs:
        text = text_of(value, where)
        if text in weights:
            raise UserError(f"{text!r} stands twice", where=where, remedy="write it once, with a weight: {a: 2, b: 1}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise UserError(f"the weight {weight!r} of {text!r} is no number", where=where, remedy="write a number")
        weights[text] = float(weight)
    return weights


def text_of(value: object, where: str) -> str:
    """Returns a YAML value as the text of a condition.

    Args:
        value: as YAML gave it.
        where: its key, for messages.

    Raises:
        UserError: it was read as something else than text or a number, or holds the sign that separates conditions in a
            cell.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        nested = isinstance(value, Mapping | list)
        remedy = "write one text" if nested else "put it in quotes; yes, no and ~ have other meanings"
        raise UserError(f"the value {value!r} is not text", where=where, remedy=remedy)
    text = str(value)
    if "|" in text:
        raise UserError(
            f"the condition {text!r} holds a sign that separates conditions",
            where=where,
            remedy="write it without '|'",
        )
    check_whole(text, repr(text), where)
    return text
