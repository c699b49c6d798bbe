"""The columns of rows that come as JSON or CSV: found by looking at all rows once, then filled.

In: rows as mappings. Out: Arrow tables. A column whose values are all numbers, truth values or texts has that type; one
that holds lists, mappings or values of several kinds is kept as JSON text, so that nothing is lost. Templates see it
parsed (`RowsWriter.add`, `as_json`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

_TYPES = {str: "text", bool: "truth", int: "whole", float: "number"}
_ARROW = {
    "text": pa.string(),
    "truth": pa.bool_(),
    "whole": pa.int64(),
    "long": pa.int64(),
    "number": pa.float64(),
    "json": pa.string(),
    "": pa.string(),
}
_LARGEST = 2**63
_EXACT = 2**53
"""Whole numbers beyond this, as ids are, would change as floating point numbers."""


class Columns:
    """The names and kinds of the columns of rows, as far as they were seen."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}

    def see(self, values: Mapping[str, object]) -> None:
        """Takes a row into account."""
        for name, value in values.items():
            known = self._kinds.setdefault(name, "")
            if value is not None:
                kind = _kind(value)
                self._kinds[name] = kind if known in ("", kind) else _together(known, kind)

    @property
    def names(self) -> list[str]:
        """Returns the names of all columns, in the order in which they were seen first."""
        return list(self._kinds)

    @property
    def json_names(self) -> set[str]:
        """Returns the names of the columns that are kept as JSON text."""
        return {name for name, kind in self._kinds.items() if kind == "json"}

    def table(self, rows: Sequence[Mapping[str, object]]) -> pa.Table:
        """Makes a table of rows; what a row does not have is null."""
        return pa.table(
            {
                name: pa.array((_stored(row.get(name), kind) for row in rows), _ARROW[kind], size=len(rows))
                for name, kind in self._kinds.items()
            }
        )


def _kind(value: object) -> str:
    kind = _TYPES.get(type(value), "json")
    if kind == "whole":
        whole = int(value)  # type: ignore[call-overload]
        return "whole" if abs(whole) <= _EXACT else "long" if -_LARGEST <= whole < _LARGEST else "json"
    return kind


def _together(known: str, kind: str) -> str:
    if {known, kind} == {"whole", "number"}:
        return "number"
    return "long" if {known, kind} == {"whole", "long"} else "json"


def _stored(value: object, kind: str) -> object:
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False)
    return float(value) if kind == "number" else value  # type: ignore[arg-type]


def look_at(rows: Iterable[Mapping[str, object]]) -> Columns:
    """Finds the columns of rows."""
    columns = Columns()
    for row in rows:
        columns.see(row)
    return columns
