"""Exclusions and quotas: combinations that are never drawn, and combinations that enough samples have.

In: the keys of planned samples in the order of their ids. Out: their conditions. A draw that is excluded, or whose
quota is used up, is repeated from the next hash of the same sample, so that what is left is drawn in the proportions of
the weights. Quotas are counted in the order of sample ids: a draw depends on those of earlier samples only, so a larger
plan begins with the rows of a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX
from engine.errors import UserError, check_setting, suggest
from engine.prompts.conditions.conditions import Columns, Conditions, RowKeys
from engine.prompts.conditions.draws import SEPARATOR, Drawn, drawn_from
from engine.task.config import QuotaConfig

Booleans = npt.NDArray[np.bool_]
"""A truth value for each row."""

_TRIES = 1000
"""The number of draws after which a sample counts as having no free combination."""
_HOPELESS_TRIES, _HOPELESS_DRAWS = 16, 100_000
"""All samples are given up together after so many tries and draws if not one of the draws was free."""
_MAX_SUGGESTED_FROM = 50
"""The most values of a condition for which a message names the closest one."""


class Pattern:
    """A combination of values.

    Args:
        combination: for each condition that it names the value that matches, or a list of them.
        picks: the conditions that hold several values, joined; there one value that matches is enough.
    """

    def __init__(self, combination: Mapping[str, Any], picks: set[str]) -> None:
        self.values = {name: _texts(values) for name, values in combination.items()}
        """The values that match, by condition."""
        self._picks = picks

    def matches(self, drawn: Columns) -> Booleans:
        """Tells of each of n rows whether it has the combination, (n,)."""
        matches = np.ones(_num_rows(drawn), np.bool_)
        for name, values in self.values.items():
            matches &= self._matching_texts(name, drawn[name], values)[drawn[name].codes]
        return matches

    def _matching_texts(self, name: str, drawn: Drawn, values: Sequence[str]) -> Booleans:
        if name in self._picks:
            matching = set(values)
            return np.array([bool(matching & {*text.split(SEPARATOR)}) for text in drawn.texts.to_pylist()], np.bool_)
        is_in: Booleans = pc.is_in(drawn.texts, pa.array(values, pa.string())).to_numpy(zero_copy_only=False)
        return is_in.astype(np.bool_)


def _texts(raw: object) -> list[str]:
    return [str(value) for value in raw] if isinstance(raw, list | tuple) else [str(raw)]


def _num_rows(drawn: Columns) -> int:
    return len(next(iter(drawn.values())).codes)


def check_constraints(
    exclude: Sequence[Mapping[str, Any]], quotas: Sequence[QuotaConfig], conditions: Conditions
) -> None:
    """Refuses exclusions and quotas that can never match.

    Args:
        exclude: combinations, as configured.
        quotas: combinations with their limits, as configured.
        conditions: of the task.

    Raises:
        UserError: a combination is empty or names a condition or a value that there is not, or a quota is below 0.
    """
    possible = conditions.possible()
    combinations = [(f"task.exclude[{index}]", combination) for index, combination in enumerate(exclude)]
    combinations += [(f"task.quotas[{index}].where", quota.where) for index, quota in enumerate(quotas)]
    for where, combination in combinations:
        if not combination:
            raise UserError("names no condition", where=where, remedy="write {attribute: value, ...}")
        for name, values in combination.items():
            if name not in possible:
                raise UserError(f"there is no condition {name!r}", where=where, remedy=suggest(name, possible))
            _check_values(name, _texts(values), possible[name], where)
    for index, quota in enumerate(quotas):
        check_setting(quota.max >= 0, f"task.quotas[{index}].max", quota.max, "0 or more", fault="is too small")


def _check_values(name: str, values: Sequence[str], possible: Sequence[str], where: str) -> None:
    for value in values:
        if value not in possible:
            few = len(possible) <= _MAX_SUGGESTED_FROM
            remedy = suggest(value, possible) if few else "check its spelling"
            raise UserError(f"{name} is never {value!r}", where=where, remedy=remedy)


@dataclass
class _Quota:
    pattern: Pattern
    left: int
    """The number of samples that may still have the combination."""


class Drawer:
    """Draws the conditions of a plan, chunk by chunk in the order of sample ids, and keeps count of the quotas.

    Args:
        conditions: of the task.
        exclude: combinations that are never drawn, as configured.
        quotas: combinations with the number of samples that may have them, as configured.
    """

    def __init__(
        self, conditions: Conditions, exclude: Sequence[Mapping[str, Any]] = (), quotas: Sequence[QuotaConfig] = ()
    ) -> None:
        self.conditions = conditions
        picks = conditions.picks()
        self._exclusions = [Pattern(combination, picks) for combination in exclude]
        self._quotas = [_Quota(Pattern(quota.where, picks), quota.max) for quota in quotas]

    def draw(self, keys: RowKeys) -> tuple[Columns, int]:
        """Draws the conditions of the next samples of the plan.

        Args:
            keys: the keys of those samples.

        Returns:
            The columns, and their number of rows: fewer than there are keys where no combination was free any more.

        Raises:
            UserError: the exclusions leave a sample nothing to draw.
        """
        drawn, total = self.conditions.draw(keys), len(keys.slots)
        if not self._exclusions and not self._quotas:
            return drawn, total
        keys = replace(keys, attempts=keys.attempts.copy())
        settled, end = 0, total
        while settled < end:  # each pass settles all that is left, or uses up a quota
            drawn, end = self._redraw(keys, drawn, settled)
            settled = self._count(drawn, settled, end)
        return {name: column.part(0, end) for name, column in drawn.items()}, end

    def count_earlier(self, plan: pa.Table) -> None:
        """Counts the rows of an earlier plan into the quotas.

        Args:
            plan: the rows, with a `condition_*` column for each condition.
        """
        columns = {name: plan[f"{CONDITION_PREFIX}{name}"].combine_chunks() for name in self.conditions.names}
        for quota in self._quotas:
            named = {name: drawn_from(columns[name]) for name in quota.pattern.values}
            quota.left = max(0, quota.left - int(quota.pattern.matches(named).sum()))

    def _redraw(self, keys: RowKeys, drawn: Columns, start: int) -> tuple[Columns, int]:
        """Draws rows from `start` on again until none is forbidden, and returns the first that stays forbidden."""
        forbidden = self._forbidden()
        waiting = start + np.flatnonzero(_any(forbidden, {name: column.part(start) for name, column in drawn.items()}))
        num_forbidden = len(waiting)
        tries = draws = 0
        while len(waiting) and tries < _TRIES:
            tries, draws = tries + 1, draws + len(waiting)
            keys.attempts[waiting] += 1
            again = self.conditions.draw(keys.take(waiting))
            drawn = {name: column.replaced(waiting, again[name]) for name, column in drawn.items()}
            waiting = waiting[_any(forbidden, again)]
            if len(waiting) == num_forbidden and tries >= _HOPELESS_TRIES and draws >= _HOPELESS_DRAWS:
                break
        if not len(waiting):
            return drawn, len(keys.slots)
        if not any(quota.left <= 0 for quota in self._quotas):
            self._refuse(drawn, int(waiting[0]))
        return drawn, int(waiting[0])

    def _forbidden(self) -> list[Pattern]:
        return [*self._exclusions, *(quota.pattern for quota in self._quotas if quota.left <= 0)]

    def _count(self, drawn: Columns, start: int, end: int) -> int:
        """Counts rows from `start` into the quotas, up to the first whose quota is used up, and returns that row."""
        part = {name: column.part(start, end) for name, column in drawn.items()}
        matches = [quota.pattern.matches(part) for quota in self._quotas]
        stop = end - start
        for quota, matching in zip(self._quotas, matches, strict=True):
            over = np.flatnonzero(np.cumsum(matching) > quota.left)
            stop = min(stop, int(over[0])) if len(over) else stop
        for quota, matching in zip(self._quotas, matches, strict=True):
            quota.left -= int(matching[:stop].sum())
        return start + stop

    def _refuse(self, drawn: Columns, row: int) -> None:
        last = {name: column.part(row, row + 1) for name, column in drawn.items()}
        index, pattern = next((i, p) for i, p in enumerate(self._exclusions) if p.matches(last)[0])
        combination = ", ".join(f"{name}={last[name].column()[0]}" for name in pattern.values)
        raise UserError(
            f"the exclusions leave nothing to draw instead of {combination}",
            where=f"task.exclude[{index}]",
            remedy="exclude less, or declare more values",
        )


def _any(patterns: Sequence[Pattern], drawn: Columns) -> Booleans:
    """Tells of each of n rows whether any pattern matches it, (n,)."""
    matches = np.zeros(_num_rows(drawn), np.bool_)
    for pattern in patterns:
        matches |= pattern.matches(drawn)
    return matches
