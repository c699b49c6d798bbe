"""What is known of passages beside their text, as filters and boosts that a person writes.

In: the kept fields of a documents folder (`documents.keep_fields`), and texts such as `source=manual`,
`date>=2024-01-01` or `date=180d`. Out: which passages are allowed, and the factor of each. A wrong field or value is
one line, before anything is searched.

A condition is `FIELD OPERATOR VALUE` with one of = != < <= > >=; `source=manual|faq` allows either value. `date=>=2024`
is `date>=2024`, so that a shell or a person may write it like any other setting. A passage without a value meets no
condition but `!=`. A boost is `CONDITION:FACTOR`, which multiplies what the passages that meet it count, or
`FIELD=HALF_LIFE` of a field of dates, such as `date=180d` (d, w or y): a passage counts half as much for each half-life
that it is older than the newest one of the collection, so that a search gives the same on every day. `date=newest`
takes the median age for it. A passage without a date counts as the oldest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.artifacts.documents import DocumentsFolder
from engine.errors import UserError, suggest
from engine.search.boosted import BoostedSystem
from engine.search.filtered import FilteredSystem
from engine.search.order import Rows
from engine.search.systems import System

WHERE, BOOST = "where", "boost"
"""What stands before a field on the command line, with a dot: `where.source=manual`."""
NEWEST = "newest"
"""The word for a half-life that the collection sets."""

_CONDITION = re.compile(
    r"\s*(?P<field>[^=!<>]+?)\s*(?:=\s*(?=[=!<>]))?(?P<operator>!=|>=|<=|=|>|<)\s*(?P<value>.*?)\s*", re.DOTALL
)
_HALF_LIFE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[dwy])")
_WHOLE = re.compile(r"[+-]?\d+")
_BEYOND_INT64 = 2**63
_DAYS = {"d": 1.0, "w": 7.0, "y": 365.25}
_LEAST_DAYS = 1.0
"""The shortest half-life that `newest` stands for."""
_SECONDS_PER_DAY = 86_400
_OPERATORS = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_SHOWN_VALUES = 20
"""The values of a field that a message lists."""
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, eq=False)
class Metadata:
    """The kept fields of the n passages of a collection.

    Attributes:
        fields: a column for each, by the name of the field, in the order of the passages.
    """

    fields: pa.Table

    def allowed(self, conditions: Sequence[str], key: str = WHERE) -> NDArray[np.bool_]:
        """Tells which passages meet all conditions, (n,).

        Args:
            conditions: as the module says.
            key: the argument that they were written as, for messages.

        Raises:
            UserError: a condition does not parse, or names a field or a value that there is not.
        """
        is_allowed = np.ones(self.fields.num_rows, bool)
        for condition in conditions:
            is_allowed &= self._meets(condition, f"{key}.{condition}")
        return is_allowed

    def factors(self, boosts: Sequence[str], key: str = BOOST) -> NDArray[np.float64]:
        """Computes the product of all boosts for each passage, (n,), 0 where no number holds it; see `allowed`."""
        return np.asarray(np.exp2(self.log_factors(boosts, key)))

    def log_factors(self, boosts: Sequence[str], key: str = BOOST) -> NDArray[np.float64]:
        """Computes the base-2 logarithm of the product of all boosts for each passage, (n,); see `allowed`."""
        logs = np.zeros(self.fields.num_rows)
        for boost in boosts:
            where = f"{key}.{boost}"
            target, _, amount = boost.rpartition(":")
            if _CONDITION.fullmatch(target):
                logs[self._meets(target, where)] += np.log2(_factor(amount, where))
            else:
                logs -= self._half_lives(boost, where)
        return logs

    def _half_lives(self, boost: str, where: str) -> NDArray[np.float64]:
        """Computes by how many half-lives each passage is older than the newest, (n,)."""
        field, _, written = boost.partition("=")
        ages = self._ages(field.strip(), where)
        if written.strip() != NEWEST:
            return np.asarray(ages / _half_life(written, where))
        return np.asarray(ages / max(float(np.median(ages)), _LEAST_DAYS))

    def _meets(self, condition: str, where: str) -> NDArray[np.bool_]:
        """Tells which passages meet one condition."""
        parsed = _CONDITION.fullmatch(condition)
        if parsed is None:
            remedy = "write FIELD=VALUE, or another of != < <= > >= in place of ="
            raise UserError("is no condition", where=where, remedy=remedy)
        column, operator = self._column(parsed["field"], where), parsed["operator"]
        values = parsed["value"].split("|") if operator in {"=", "!="} else [parsed["value"]]
        scalars = [_scalar(value.strip(), column, where) for value in values]
        compared = [_OPERATORS[operator](_comparable(column, scalar), scalar) for scalar in scalars]
        is_met = [part.fill_null(operator == "!=").to_numpy(zero_copy_only=False) for part in compared]
        if operator == "=" and pa.types.is_large_string(column.type):
            _refuse_unknown(values, is_met, column, where)
        combine = np.logical_and if operator == "!=" else np.logical_or
        return np.asarray(combine.reduce(is_met), bool)

    def _ages(self, field: str, where: str) -> NDArray[np.float64]:
        """Computes by how many days each passage is older than the newest."""
        column = self._column(field, where)
        if not pa.types.is_temporal(column.type):
            remedy = f"name a field of dates, or write {BOOST}.{field}=VALUE:FACTOR"
            raise UserError(f"field {field!r} holds no dates", where=where, remedy=remedy)
        seconds = pa.timestamp("s", tz=getattr(column.type, "tz", None))
        times = column.cast(seconds, safe=False)
        days = times.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64) / _SECONDS_PER_DAY
        if np.isnan(days).all():
            return np.zeros(len(days))
        ages = np.nanmax(days) - days
        return np.asarray(np.where(np.isnan(ages), np.nanmax(ages), ages))

    def _column(self, field: str, where: str) -> pa.Array:
        names = self.fields.column_names
        if field not in names:
            types = ", ".join(f"{column.name} ({type_name(column.type)})" for column in self.fields.schema)
            keep = f"run once more with documents.keep_fields=[{field}], if documents have it"
            remedy = f"there are {types}; or {keep}" if types else keep
            raise UserError(f"no field {field!r} was kept", where=where, remedy=remedy)
        return self.fields[field].combine_chunks()


def read_metadata(documents: DocumentsFolder) -> Metadata:
    """Reads the kept fields of all passages of a finished folder."""
    return Metadata(documents.fields())


def with_metadata(
    system: System, metadata: Metadata, ranks_of_ids: Rows, where: Sequence[str] = (), boost: Sequence[str] = ()
) -> System:
    """Narrows a system to the passages that meet all conditions, and boosts what it finds, under the same name.

    Raises:
        UserError: a condition or a boost is wrong, or no passage meets all conditions.
    """
    if where:
        is_allowed = metadata.allowed(where)
        if not is_allowed.any():
            shown = " ".join(f"{WHERE}.{condition}" for condition in where)
            raise UserError("no passage meets this", where=shown, remedy="ask for less")
        system = FilteredSystem(system.name, system, is_allowed)
    return BoostedSystem(system.name, system, metadata.log_factors(boost), ranks_of_ids) if boost else system


def type_name(kind: pa.DataType) -> str:
    """Returns what people call the type of a kept field."""
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "time"
    if pa.types.is_integer(kind):
        return "whole number"
    return "number" if pa.types.is_floating(kind) else "text"


def _refuse_unknown(values: Sequence[str], is_met: Sequence[NDArray[np.bool_]], column: pa.Array, where: str) -> None:
    """Refuses a text that no passage has: it is a slip."""
    for value, met in zip(values, is_met, strict=True):
        if not met.any():
            known = [text for text in pc.unique(column).to_pylist() if text is not None]
            near = known if len(known) <= _SHOWN_VALUES else difflib.get_close_matches(value, known, _SHOWN_VALUES)
            some = ", ".join(map(repr, sorted(known, key=str)[:5]))
            remedy = suggest(value, near) if near else f"write one of {len(known):,}, such as {some}"
            raise UserError(f"no passage has the value {value.strip()!r}", where=where, remedy=remedy)


def _scalar(text: str, column: pa.Array, where: str) -> pa.Scalar:
    """Reads a value as the column has it."""
    try:
        value, kind = _value(text, column.type)
    except (ValueError, KeyError):
        what = f"{text!r} does not fit the field"
        raise UserError(what, where=where, remedy=f"write {_form(column.type)}") from None
    return pa.scalar(value, kind)


def _form(kind: pa.DataType) -> str:
    """Says how a value of a type is written."""
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_date(kind):
        return "a date such as 2024-01-31"
    return "a time such as 2024-01-31T08:00" if pa.types.is_timestamp(kind) else "a number"


def _value(text: str, kind: pa.DataType) -> tuple[Any, pa.DataType]:
    """Returns the value of a text for a column of a type, and the type to compare in."""
    if pa.types.is_boolean(kind):
        return _TRUTH[text.lower()], kind
    if pa.types.is_date(kind):
        return date.fromisoformat(text), kind
    if pa.types.is_timestamp(kind):
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.replace(tzinfo=UTC), kind
    if pa.types.is_integer(kind) and _WHOLE.fullmatch(text) and abs(int(text)) < _BEYOND_INT64:
        return int(text), pa.int64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return float(text), pa.float64()
    return text, kind


def _comparable(column: pa.Array, scalar: pa.Scalar) -> pa.Array:
    """Returns a column as it is compared: Arrow casts whole numbers to fractions only up to 2**53, and refuses ids."""
    is_cast = pa.types.is_integer(column.type) and pa.types.is_floating(scalar.type)
    return column.cast(scalar.type, safe=False) if is_cast else column


def _factor(text: str, where: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < np.inf:
        raise UserError(f"{text!r} is no factor", where=where, remedy="write CONDITION:FACTOR, such as source=manual:2")
    return factor


def _half_life(text: str, where: str) -> float:
    """Returns a half-life in days."""
    parsed = _HALF_LIFE.fullmatch(text.strip())
    if parsed is None or not float(parsed["number"]):
        remedy = f"write FIELD={NEWEST}, FIELD=HALF_LIFE such as date=180d (d, w or y), or CONDITION:FACTOR"
        raise UserError(f"{text!r} is no half-life", where=where, remedy=remedy)
    return float(parsed["number"]) * _DAYS[parsed["unit"]]
