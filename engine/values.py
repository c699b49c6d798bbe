"""The values of one attribute as a person writes them: lists, weights, word-list files, ranges.

In: what stands in YAML, and its place there. Out: texts with weights. Every mistake is named with its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.conditions import DATA, PACKAGE_FILE, RangeConfig, word_file
from engine.draws import Choice
from engine.errors import UserError
from engine.lines import read_lines

_MAX_RANGE = 1_000_000


def weights_of(raw: object, place: str) -> dict[str, float]:
    """A list or a mapping of weights as value -> weight; zeros are kept.

    Raises:
        UserError: it is neither, a value is no text or number or stands twice, or a weight is no number.
    """
    if isinstance(raw, Mapping):
        pairs = list(raw.items())
    elif isinstance(raw, Sequence) and not isinstance(raw, str):
        pairs = [(value, 1.0) for value in raw]
    else:
        raise UserError(f"{raw!r} is no list", place=place, remedy="write [a, b] or {a: 3, b: 1}")
    weights: dict[str, float] = {}
    for value, weight in pairs:
        text = text_of(value, place)
        if text in weights:
            raise UserError(f"{text!r} stands twice", place=place, remedy="write it once, with a weight: {a: 2, b: 1}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise UserError(f"the weight {weight!r} of {text!r} is no number", place=place, remedy="write a number")
        weights[text] = float(weight)
    return weights


def text_of(value: object, place: str) -> str:
    """A YAML value as the text of a condition.

    Raises:
        UserError: it was read as something else than text or a number, or holds a sign that no cell can hold.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        nested = isinstance(value, Mapping | list)
        remedy = "write one text" if nested else "put it in quotes; yes, no and ~ have other meanings"
        raise UserError(f"the value {value!r} is not text", place=place, remedy=remedy)
    text = str(value)
    if "|" in text:
        raise UserError(
            f"the condition {text!r} holds a sign that separates conditions",
            place=place,
            remedy="write it without '|'",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{text!r} holds half a surrogate pair", place=place, remedy="write whole characters") from None
    return text


def choice_of(weights: Mapping[str, float], place: str) -> Choice:
    """The values with a positive weight, ready to draw.

    Raises:
        UserError: there is none, or a weight is negative.
    """
    positive = {value: weight for value, weight in weights.items() if weight > 0}
    if not positive or min(weights.values()) < 0:
        raise UserError(
            f"weights {dict(weights)} draw nothing",
            place=place,
            remedy="give at least one value a weight above 0, and none below",
        )
    return Choice(list(positive), list(positive.values()))


def read_words(name: str, place: str) -> dict[str, float]:
    """A word list: one value per line, `#` comments, a weight after a tab.

    Raises:
        UserError: there is no such file, or a line of it is wrong; the line is named.
    """
    file = word_file(name)
    if not file.is_file():
        shipped = [f"{PACKAGE_FILE}words/{path.name}" for path in sorted((DATA / "words").glob("*.txt"))]
        remedy = f"name a file from where synthmill is started, or one of {', '.join(shipped)}"
        raise UserError(f"no such file: {file.resolve()}", place=place, remedy=remedy)
    weights: dict[str, float] = {}
    for number, line in enumerate(read_lines(file), 1):
        word, _, weight = line.rstrip("\r\n").partition("\t")
        if not word.strip() or word.startswith("#"):
            continue
        word = text_of(word.strip(), f"{file}:{number}")
        if word in weights:
            raise UserError(f"{word!r} stands twice", place=f"{file}:{number}", remedy="remove one of the lines")
        weights[word] = _word_weight(weight.strip(), f"{file}:{number}")
    if not weights:
        raise UserError("the file holds no value", place=str(file), remedy="write one value per line")
    return weights


def _word_weight(text: str, place: str) -> float:
    try:
        weight = float(text) if text else 1.0
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or weight < 0:
        raise UserError(
            f"the weight {text!r} is no number of 0 or more", place=place, remedy="write VALUE, a tab, and a number"
        )
    return weight


def numbers_of(config: RangeConfig, place: str) -> list[str]:
    """The numbers of a range as text, all with as many decimals as its start and step need.

    Raises:
        UserError: there is none, or there are too many.
    """
    low, high, step = config.low, config.high, config.step
    if not all(map(math.isfinite, (low, high, step))) or low > high or step <= 0:
        raise UserError(
            f"from {low:g} to {high:g} in steps of {step:g} there is nothing",
            place=place,
            remedy="set low below high, and step above 0",
        )
    first, last, stride = (Decimal(repr(float(number))).normalize() for number in (low, high, step))
    count = int((last - first) / stride) + 1
    if count > _MAX_RANGE:
        raise UserError(f"{count:,} numbers", place=place, remedy=f"take larger steps: at most {_MAX_RANGE:,} numbers")
    decimals = max(0, *(-int(number.as_tuple().exponent) for number in (first, stride)))
    return [f"{first + index * stride:.{decimals}f}" for index in range(count)]
