"""Exclusions and quotas: combinations that are never drawn, and cells that are full.

In: planned samples in the order of their ids. Out: their conditions. A draw that is excluded, or whose cell is full,
is repeated from the next hash of the same sample, so that what is left is drawn in the proportions of the weights.
Quotas are counted in the order of sample ids: a sample hangs on earlier ones only, and a larger plan adds to a smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX
from engine.errors import UserError, suggest
from engine.prompts.conditions.conditions import Columns, Conditions, Rows
from engine.prompts.conditions.draws import SEPARATOR, Drawn, drawn_from
from engine.task.config import QuotaConfig

Booleans = npt.NDArray[np.bool_]


_TRIES = 1000
"""Draws of one sample before it counts as having no free cell."""


_HOPELESS_TRIES, _HOPELESS_DRAWS = 16, 100_000
"""All samples at once are given up after so many tries and draws of which not one was free."""


class Pattern:
    """A combination: for each named condition the values that match; of a `pick`, one of its values is enough."""

    def __init__(self, wanted: Mapping[str, Any], picks: set[str]) -> None:
        self.wanted = {name: _values(values) for name, values in wanted.items()}
        self._picks = picks

    def matches(self, drawn: Columns) -> Booleans:
        """(n,) which rows have the combination."""
        found = np.ones(len(next(iter(drawn.values())).codes), np.bool_)
        for name, values in self.wanted.items():
            found &= self._match(name, drawn[name], values)[drawn[name].codes]
        return found

    def _match(self, name: str, drawn: Drawn, values: Sequence[str]) -> Booleans:
        if name in self._picks:
            wanted = set(values)
            return np.array([bool(wanted & set(text.split(SEPARATOR))) for text in drawn.texts.to_pylist()], np.bool_)
        found: Booleans = pc.is_in(drawn.texts, pa.array(values, pa.string())).to_numpy(zero_copy_only=False)
        return found.astype(np.bool_)

    def __str__(self) -> str:
        return ", ".join(f"{name}={' or '.join(values)}" for name, values in self.wanted.items())


def _values(raw: object) -> list[str]:
    return [str(value) for value in raw] if isinstance(raw, list | tuple) else [str(raw)]


def check_constraints(
    exclude: Sequence[Mapping[str, Any]], quotas: Sequence[QuotaConfig], conditions: Conditions
) -> None:
    """Refuses what can never match.

    Raises:
        UserError: a combination is empty or names a condition or a value that there is not, or a quota is below 0.
    """
    possible = conditions.possible()
    places = [(f"task.exclude[{index}]", wanted) for index, wanted in enumerate(exclude)]
    places += [(f"task.quotas[{index}].where", quota.where) for index, quota in enumerate(quotas)]
    for where, wanted in places:
        if not wanted:
            raise UserError("names no condition", where=where, remedy="write {attribute: value, ...}")
        for name, values in wanted.items():
            if name not in possible:
                raise UserError(f"there is no condition {name!r}", where=where, remedy=suggest(name, possible))
            for value in _values(values):
                if value not in possible[name]:
                    remedy = suggest(value, possible[name]) if len(possible[name]) <= 50 else "check its spelling"
                    raise UserError(f"{name} is never {value!r}", where=where, remedy=remedy)
    for index, quota in enumerate(quotas):
        if quota.max < 0:
            raise UserError(
                f"{quota.max} is too small", where=f"task.quotas[{index}].max", remedy="set it to 0 or more"
            )


@dataclass
class _Quota:
    pattern: Pattern
    left: int


class Drawer:
    """Draws the conditions of a plan, chunk by chunk in the order of sample ids, and keeps count of the quotas."""

    def __init__(
        self, conditions: Conditions, exclude: Sequence[Mapping[str, Any]] = (), quotas: Sequence[QuotaConfig] = ()
    ) -> None:
        self.conditions = conditions
        picks = conditions.picks()
        self._exclusions = [Pattern(wanted, picks) for wanted in exclude]
        self._quotas = [_Quota(Pattern(quota.where, picks), quota.max) for quota in quotas]

    def draw(self, rows: Rows) -> tuple[Columns, int]:
        """The conditions of the next samples of the plan.

        Returns:
            The columns, and how many rows they are good for: fewer than asked where no cell was free any more.

        Raises:
            UserError: the exclusions leave a sample nothing to draw.
        """
        drawn, total = self.conditions.draw(rows), len(rows.slots)
        if not self._exclusions and not self._quotas:
            return drawn, total
        rows = Rows(rows.passages, rows.slots, rows.attempts.copy(), rows.seed)
        settled, end = 0, total
        while settled < end:  # each turn settles all that is left, or fills a quota
            drawn, end = self._redraw(rows, drawn, settled)
            settled = self._count(drawn, settled, end)
        return {name: column.part(0, end) for name, column in drawn.items()}, end

    def count_earlier(self, plan: pa.Table) -> None:
        """Counts the rows of a plan that there is, with its `condition_*` columns, into the quotas."""
        columns = {name: plan[f"{CONDITION_PREFIX}{name}"].combine_chunks() for name in self.conditions.names}
        for quota in self._quotas:
            named = {name: drawn_from(columns[name]) for name in quota.pattern.wanted}
            quota.left = max(0, quota.left - int(quota.pattern.matches(named).sum()))

    def _redraw(self, rows: Rows, drawn: Columns, start: int) -> tuple[Columns, int]:
        """Draws rows from `start` on again until none is forbidden; the second result is the first that stays so."""
        forbidden = self._forbidden()
        waiting = start + np.flatnonzero(_any(forbidden, {name: column.part(start) for name, column in drawn.items()}))
        asked = len(waiting)
        tries = draws = 0
        while len(waiting) and tries < _TRIES:
            tries, draws = tries + 1, draws + len(waiting)
            rows.attempts[waiting] += 1
            again = self.conditions.draw(rows.take(waiting))
            drawn = {name: column.replaced(waiting, again[name]) for name, column in drawn.items()}
            waiting = waiting[_any(forbidden, again)]
            if len(waiting) == asked and tries >= _HOPELESS_TRIES and draws >= _HOPELESS_DRAWS:
                break
        if not len(waiting):
            return drawn, len(rows.slots)
        if not any(quota.left <= 0 for quota in self._quotas):
            self._refuse(drawn, int(waiting[0]))
        return drawn, int(waiting[0])

    def _forbidden(self) -> list[Pattern]:
        return [*self._exclusions, *(quota.pattern for quota in self._quotas if quota.left <= 0)]

    def _count(self, drawn: Columns, start: int, end: int) -> int:
        """Counts rows from `start` into the quotas, up to the first that finds its cell full; returns where that is."""
        part = {name: column.part(start, end) for name, column in drawn.items()}
        matches = [quota.pattern.matches(part) for quota in self._quotas]
        stop = end - start
        for quota, found in zip(self._quotas, matches, strict=True):
            over = np.flatnonzero(np.cumsum(found) > quota.left)
            stop = min(stop, int(over[0])) if len(over) else stop
        for quota, found in zip(self._quotas, matches, strict=True):
            quota.left -= int(found[:stop].sum())
        return start + stop

    def _refuse(self, drawn: Columns, row: int) -> None:
        last = {name: column.column()[row].as_py() for name, column in drawn.items()}
        one = {name: column.part(row, row + 1) for name, column in drawn.items()}
        index, pattern = next((i, p) for i, p in enumerate(self._exclusions) if p.matches(one)[0])
        named = ", ".join(f"{name}={last[name]}" for name in pattern.wanted)
        raise UserError(
            f"the exclusions leave nothing to draw instead of {named}",
            where=f"task.exclude[{index}]",
            remedy="exclude less, or declare more values",
        )


def _any(patterns: Sequence[Pattern], drawn: Columns) -> Booleans:
    size = len(next(iter(drawn.values())).codes)
    found = np.zeros(size, np.bool_)
    for pattern in patterns:
        found |= pattern.matches(drawn)
    return found
