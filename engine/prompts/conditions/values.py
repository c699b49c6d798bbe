"""Reads the values of one attribute as a person writes them: lists, weights, word-list files, ranges.

In: what stands in YAML, and the key that it has there. Out: texts with weights. Every mistake is named with its key, or
with the line of its file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from engine.errors import UserError
from engine.prompts.conditions.draws import Choice
from engine.storage.lines import read_lines
from engine.task.config import DATA, PACKAGE_FILE, RangeConfig, word_file
from engine.task.shares import text_of

_MAX_RANGE = 1_000_000
"""The most numbers that a range may hold, since each of them is kept as a text."""


def choice_of(weights: Mapping[str, float], where: str) -> Choice:
    """Makes the values with a positive weight ready to draw.

    Args:
        weights: value -> weight.
        where: the key that they have in the config.

    Raises:
        UserError: there is none, or a weight is negative.
    """
    positive = {value: weight for value, weight in weights.items() if weight > 0}
    if not positive or min(weights.values()) < 0:
        raise UserError(
            f"weights {dict(weights)} draw nothing",
            where=where,
            remedy="give at least one value a weight above 0, and none below",
        )
    return Choice(list(positive), list(positive.values()))


def read_words(name: str, where: str) -> dict[str, float]:
    """Reads a word list: one value per line, `#` comments, a weight after a tab.

    Args:
        name: a path, or `package:words/NAME.txt` for a list that ships.
        where: the key that names it in the config.

    Returns:
        Value -> weight, in the order of the file.

    Raises:
        UserError: there is no such file, or a line of it is wrong; the line is named.
    """
    file = word_file(name)
    if not file.is_file():
        shipped = [f"{PACKAGE_FILE}words/{path.name}" for path in sorted((DATA / "words").glob("*.txt"))]
        remedy = f"name a file from where synthmill is started, or one of {', '.join(shipped)}"
        raise UserError(f"no such file: {file.resolve()}", where=where, remedy=remedy)
    weights: dict[str, float] = {}
    for number, line in enumerate(read_lines(file), 1):
        word, _, weight = line.rstrip("\r\n").partition("\t")
        if not word.strip() or word.startswith("#"):
            continue
        word = text_of(word.strip(), f"{file}:{number}")
        if word in weights:
            raise UserError(f"{word!r} stands twice", where=f"{file}:{number}", remedy="remove one of the lines")
        weights[word] = _word_weight(weight.strip(), f"{file}:{number}")
    if not weights:
        raise UserError("the file holds no value", where=str(file), remedy="write one value per line")
    return weights


def _word_weight(text: str, where: str) -> float:
    try:
        weight = float(text) if text else 1.0
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or weight < 0:
        raise UserError(
            f"the weight {text!r} is no number of 0 or more", where=where, remedy="write VALUE, a tab, and a number"
        )
    return weight


def numbers_of(config: RangeConfig, where: str) -> list[str]:
    """Lists the numbers of a range as text, all with as many decimals as its start and step need.

    Args:
        config: the range.
        where: the key that it has in the config.

    Raises:
        UserError: there is none, or there are too many.
    """
    low, high, step = config.low, config.high, config.step
    if not all(map(math.isfinite, (low, high, step))) or low > high or step <= 0:
        raise UserError(
            f"from {low:g} to {high:g} in steps of {step:g} there is nothing",
            where=where,
            remedy="set low below high, and step above 0",
        )
    first, last, stride = (Decimal(repr(float(number))).normalize() for number in (low, high, step))
    count = int((last - first) / stride) + 1
    if count > _MAX_RANGE:
        raise UserError(f"{count:,} numbers", where=where, remedy=f"take larger steps: at most {_MAX_RANGE:,} numbers")
    decimals = max(0, *(-int(number.as_tuple().exponent) for number in (first, stride)))
    return [f"{first + index * stride:.{decimals}f}" for index in range(count)]
