"""The search space of a sweep: which config keys are tried with which values.

In: what a sweep file says under `space`. Out: parameters, checked, and what one choice of values is as overrides.

    space:
      model.learning_rate: {loguniform: [1e-5, 1e-4]}
      model.epochs: {int: [1, 4]}
      model.num_hard_negatives: {choice: [0, 1, 2]}
      model.hard_negative_margin: {uniform: [0.8, 1.0], when: {model.num_hard_negatives: [1, 2]}}
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from engine.errors import UserError, suggest
from engine.sweeps.written import as_override

Values = Mapping[str, Any]
"""The value that each key has in one point; a key whose condition does not hold has none."""
_DIGITS = 4
"""Digits of a real number that is tried: more say nothing, and make settings that nobody can read."""
_PARTS = 3
"""A range is cut into a thousand parts (10 ** 3) at least, whatever digits that takes where it is a narrow one."""
_LARGEST = 2**53
"""The largest whole number that is tried: beyond it a float, which a search computes with, skips some."""
_WIDEST = 1e300
"""The largest real number that is tried, so that a range has a width."""
_KEY = re.compile(r"\+{0,2}[A-Za-z_][\w./@-]*")
"""A config key or group, as an override has it before its equals sign."""


class Kind(Enum):
    """How a value is drawn."""

    choice = "choice"
    uniform = "uniform"
    loguniform = "loguniform"
    int = "int"


@dataclass(frozen=True)
class Parameter:
    """A config key, or a group, with what is tried of it.

    Attributes:
        choices: of a choice, the values.
        low: else the smallest value.
        high: and the largest, which may be tried too.
        when: keys above in the space, each with the values at which this one counts.
    """

    key: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def counts(self, values: Values) -> bool:
        """Tells whether the key is set, by the values of those above it."""
        return all(key in values and values[key] in wanted for key, wanted in self.when.items())

    def draw(self, draws: random.Random) -> Any:
        """Draws a value: evenly, or evenly by its logarithm."""
        if self.kind is Kind.choice:
            return draws.choice(self.choices)
        if self.kind is Kind.int:
            return draws.randint(int(self.low), int(self.high))
        if self.kind is Kind.uniform:
            return self.rounded(draws.uniform(self.low, self.high))
        return self.rounded(math.exp(draws.uniform(math.log(self.low), math.log(self.high))))

    def rounded(self, value: float) -> float:
        """Rounds a real number to few digits, so that what is tried is what is read, and to no number out of the range.

        It keeps four digits, and as many more as a narrow range needs: of 0.99999 to 1 four would leave only 1.
        """
        digits = math.ceil(_PARTS - math.log10(self.high - self.low))
        if value:
            digits = max(digits, _DIGITS - 1 - math.floor(math.log10(abs(value))))
        return min(max(round(value, digits), self.low), self.high)

    def extremes(self) -> tuple[Any, ...]:
        """Returns values that between them show whether the key takes what is tried: all choices, or both ends."""
        if self.kind is Kind.choice:
            return self.choices
        return (int(self.low), int(self.high)) if self.kind is Kind.int else (self.low, self.high)

    def listed(self) -> Sequence[Any] | None:
        """Returns every value that may be tried; None of a range of real numbers."""
        if self.kind is Kind.choice:
            return self.choices
        return range(int(self.low), int(self.high) + 1) if self.kind is Kind.int else None

    def described(self) -> str:
        """Returns what is tried in words, for a page."""
        if self.kind is Kind.choice:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}" + (", by its logarithm" if self.kind is Kind.loguniform else "")


@dataclass(frozen=True)
class Space:
    """All parameters, each below those that its condition names."""

    parameters: tuple[Parameter, ...]

    def draw(self, draws: random.Random) -> dict[str, Any]:
        """Draws the values of one point."""
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.counts(values):
                values[parameter.key] = parameter.draw(draws)
        return values

    def checks(self) -> list[dict[str, Any]]:
        """Returns points that together have every extreme of every key: the sum of the values, not their product."""
        above = {parameter.key: parameter for parameter in self.parameters}
        every = [self._with({})]
        for parameter in self.parameters:
            fixed = {key: wanted[0] for key, wanted in _needed(parameter.when, above).items()}
            every += [self._with({**fixed, parameter.key: value}) for value in parameter.extremes()]
        return [point for number, point in enumerate(every) if point not in every[:number]]

    @property
    def is_endless(self) -> bool:
        """Whether it has more points than can be listed: a key of it has a range of real numbers."""
        return any(parameter.listed() is None for parameter in self.parameters)

    def settings(self, draws: random.Random) -> Iterator[dict[str, Any]]:
        """Gives every point that there is, one after the other; of a range of real numbers one, which is drawn."""
        return self._settings(0, {}, draws)

    def _settings(self, number: int, values: dict[str, Any], draws: random.Random) -> Iterator[dict[str, Any]]:
        if number == len(self.parameters):
            yield values
            return
        parameter = self.parameters[number]
        if not parameter.counts(values):
            yield from self._settings(number + 1, values, draws)
            return
        listed = parameter.listed()
        for value in [parameter.draw(draws)] if listed is None else listed:
            yield from self._settings(number + 1, {**values, parameter.key: value}, draws)

    def _with(self, fixed: Values) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.counts(values):
                values[parameter.key] = fixed.get(parameter.key, parameter.extremes()[0])
        return values


def name_of(values: Values) -> str:
    """Returns a text that equal points have in common, and no others."""
    return json.dumps(values, sort_keys=True)


def as_overrides(values: Values) -> list[str]:
    """Returns the values of a point as overrides."""
    return [as_override(key, value) for key, value in values.items()]


def read_space(given: object, where: str) -> Space:
    """Reads the space of a sweep file.

    Args:
        given: what stands under `space`.
        where: the file, for messages.

    Raises:
        UserError: it is no mapping, or a key of it has no values, too many kinds of them, or the wrong ones.
    """
    if not isinstance(given, Mapping) or not given:
        remedy = "write `space:` with lines such as `model.epochs: {int: [1, 4]}` under it"
        raise UserError("tries no key", where=f"{where}: space", remedy=remedy)
    parameters: list[Parameter] = []
    for key, said in given.items():
        place = f"{where}: space.{key}"
        if not _KEY.fullmatch(str(key)):
            raise UserError(
                f"{key!r} is no key", where=place, remedy="name a config key or group, such as model.epochs"
            )
        parameters.append(_parameter(str(key), said, {one.key: one for one in parameters}, place))
    bare = [parameter.key.lstrip("+") for parameter in parameters]
    for key in bare:
        if bare.count(key) > 1:
            raise UserError(f"{key} is given twice", where=f"{where}: space.{key}", remedy="leave one of them out")
    return Space(tuple(parameters))


def _parameter(key: str, said: object, above: Mapping[str, Parameter], where: str) -> Parameter:
    kinds = [kind.value for kind in Kind]
    if not isinstance(said, Mapping):
        remedy = f"write {{KIND: VALUES}} with a kind of: {', '.join(kinds)}"
        raise UserError(f"{said!r} says not how values are drawn", where=where, remedy=remedy)
    for name in said:
        if name not in (*kinds, "when"):
            raise UserError(f"there is no {name!r}", where=where, remedy=suggest(str(name), (*kinds, "when")))
    named = [name for name in said if name != "when"]
    if len(named) != 1:
        raise UserError(f"{len(named)} kinds of values", where=where, remedy=f"give one of: {', '.join(kinds)}")
    kind, values = Kind(named[0]), said[named[0]]
    when = _conditions(said.get("when", {}), above, where)
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise UserError(f"{values!r} is no list", where=where, remedy=f"write {kind.value}: [..., ...]")
    if kind is Kind.choice:
        _check_choices(values, where)
        return Parameter(key, kind, tuple(values), when=when)
    low, high = _ends(kind, values, where)
    return Parameter(key, kind, low=low, high=high, when=when)


def _check_choices(values: Sequence[Any], where: str) -> None:
    if not values:
        raise UserError("has no value to choose", where=where, remedy="write choice: [A, B]")
    for number, value in enumerate(values):
        if not _is_plain(value):
            remedy = "write a text, a finite number, true, false or null, a list, or a mapping from texts"
            raise UserError(f"{value!r} is no value of a config", where=f"{where}.choice", remedy=remedy)
        if value in values[:number]:
            first = values[values.index(value)]
            what = f"{value!r} is given twice" + (f", first as {first!r}" if repr(first) != repr(value) else "")
            raise UserError(what, where=f"{where}.choice", remedy="leave one of them out: choices are drawn evenly")


def _is_plain(value: object) -> bool:
    """Tells whether an override and JSON can say a value: YAML knows more of them, such as bytes and infinity."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(part) for name, part in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return math.isfinite(value) if isinstance(value, float) else value is None or isinstance(value, str | int)


def _ends(kind: Kind, values: Sequence[Any], where: str) -> tuple[float, float]:
    wanted = int if kind is Kind.int else (int, float)
    if len(values) != 2 or not all(isinstance(value, wanted) and not isinstance(value, bool) for value in values):
        number = "whole number" if kind is Kind.int else "number"
        remedy = f"write {kind.value}: [LOWEST, HIGHEST], each a {number}"
        raise UserError(f"{list(values)} are not two {number}s", where=where, remedy=remedy)
    low, high = values
    most, named = (_LARGEST, "2**53") if kind is Kind.int else (_WIDEST, f"{_WIDEST:.0e}")
    if any(most < abs(value) < math.inf for value in values):
        raise UserError("an end of the range is too large", where=where, remedy=f"stay within -{named} and {named}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"from {low} to {high} there is nothing to try", where=where, remedy="put the lower one first")
    if kind is Kind.loguniform and low <= 0:
        raise UserError(f"{low} has no logarithm", where=where, remedy="begin above 0, or use uniform")
    # As written into overrides: 1 is a whole number, which a key may take though it takes nothing between 1 and 2.
    return (low, high) if kind is Kind.int else (float(low), float(high))


def _conditions(said: object, above: Mapping[str, Parameter], where: str) -> dict[str, tuple[Any, ...]]:
    if not isinstance(said, Mapping):
        remedy = "write when: {KEY: VALUE}, or {KEY: [VALUE, VALUE]}"
        raise UserError(f"{said!r} is no condition", where=f"{where}.when", remedy=remedy)
    conditions = {}
    for key, value in said.items():
        parameter = above.get(str(key))
        if parameter is None or parameter.kind is not Kind.choice:
            remedy = "name one that stands above and has a choice of values"
            raise UserError(f"{key} is no choice of the space above", where=f"{where}.when", remedy=remedy)
        wanted = tuple(value) if isinstance(value, list) else (value,)
        for one in wanted:
            if one not in parameter.choices:
                alike = next((choice for choice in parameter.choices if str(choice) == str(one)), None)
                remedy = suggest(str(one), map(str, parameter.choices))
                if alike is not None:
                    remedy = f"write it as its choice has it, {alike!r}: quotes make a text of a number"
                raise UserError(f"{key} is never {one!r}", where=f"{where}.when", remedy=remedy)
        if not wanted:
            raise UserError(
                f"{key} has no value here", where=f"{where}.when", remedy="name the values at which it counts"
            )
        conditions[str(key)] = wanted
    for key, values in _needed(conditions, above).items():
        if not values:
            what = f"never holds: {key} would need two values at once, by the conditions of what is named here"
            raise UserError(what, where=f"{where}.when", remedy="mend one of the conditions, or leave the key out")
    return conditions


def _needed(when: Mapping[str, tuple[Any, ...]], above: Mapping[str, Parameter]) -> dict[str, tuple[Any, ...]]:
    """Returns what has to be chosen for a condition to hold: also of the keys on which those depend that it names.

    Args:
        when: the condition.
        above: all parameters that it may name, by key.

    Returns:
        The values that each key may have; none of a key at which the conditions meet nowhere.
    """
    needed: dict[str, tuple[Any, ...]] = {}
    waiting = list(when.items())
    while waiting:
        key, wanted = waiting.pop()
        needed[key] = tuple(value for value in needed.get(key, wanted) if value in wanted)
        waiting += above[key].when.items()
    return needed
