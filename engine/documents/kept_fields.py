"""Fields of documents that are kept beside their text, such as a date or a source, with the type that fits them all.

In: values as readers give them: texts of a table, or what JSON and Parquet hold. Out: a text for each, and when all
have been seen, columns of one type. A type that was guessed from the first rows would fail at a later one, hours into a
large collection; so the file is written with texts, and once more where all of a field's values are something else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import FIELD_PREFIX
from engine.errors import UserError

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
"""Whole numbers as they are written without filling up, so that 007 and longer ids stay texts. Of digits only those
that Arrow reads count: not full-width ones."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")
_EXACT_DIGITS = 15
"""So many digits of a whole number a float64 has for sure."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d.*")
_TRUTH = ("true", "false")


class Kind(Enum):
    """The type of a column."""

    boolean = "boolean"
    whole = "whole"
    number = "number"
    date = "date"
    time = "time"
    text = "text"


_TYPES = {
    Kind.boolean: pa.bool_(),
    Kind.whole: pa.int64(),
    Kind.number: pa.float64(),
    Kind.date: pa.date32(),
    Kind.time: pa.timestamp("us", tz="UTC"),
    Kind.text: pa.string(),
}
_BOTH = {frozenset({Kind.whole, Kind.number}): Kind.number, frozenset({Kind.date, Kind.time}): Kind.time}
"""The kind that holds values of two kinds; for all other pairs it is text."""


class KeptFields:
    """The kept fields of a collection while its documents come in.

    Args:
        names: the fields, in the order of their columns.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self._kinds: dict[str, Kind] = {}
        self._long: set[str] = set()

    @property
    def schema(self) -> list[pa.Field]:
        """Returns the columns as they are written first: texts."""
        return [pa.field(FIELD_PREFIX + name, pa.string()) for name in self.names]

    def read(self, values: Mapping[str, object], document_id: str) -> tuple[str | None, ...]:
        """Returns the values of a document as texts, None where it has none, and remembers what they are.

        Raises:
            UserError: a field holds a list, an object or bytes.
        """
        texts = tuple(_text(name, values.get(name), document_id) for name in self.names)
        for name, text in zip(self.names, texts, strict=True):
            if text is not None:
                kind = kind_of(text)
                if kind is Kind.whole and len(text.lstrip("-")) > _EXACT_DIGITS:
                    self._long.add(name)
                known = self._kinds.setdefault(name, kind)
                if known is not kind:
                    self._kinds[name] = _BOTH.get(frozenset({known, kind}), Kind.text)
        return texts

    def type_columns(self, file: Path) -> None:
        """Writes a Parquet file once more with columns of the types that were found, a row group at a time."""
        kinds = {FIELD_PREFIX + name: self._kind(name) for name in self.names}
        if all(kind is Kind.text for kind in kinds.values()):
            return
        typed = file.with_name(f".{file.name}.typed")
        with pq.ParquetFile(file) as source:
            schema = pa.schema(
                field.with_type(_TYPES[kinds[field.name]]) if field.name in kinds else field
                for field in source.schema_arrow
            )
            with pq.ParquetWriter(typed, schema, compression="zstd") as writer:
                for group in range(source.num_row_groups):
                    writer.write_table(_typed(source.read_row_group(group), kinds, schema))
        typed.replace(file)

    def _kind(self, name: str) -> Kind:
        """Returns the kind that holds all values of a field; long ids among numbers would lose digits as such."""
        kind = self._kinds.get(name, Kind.text)
        return Kind.text if kind is Kind.number and name in self._long else kind


def kind_of(text: str) -> Kind:
    """Tells what a text is, by itself."""
    if _WHOLE.fullmatch(text):
        return Kind.whole
    if _NUMBER.fullmatch(text):
        return Kind.number if math.isfinite(float(text)) else Kind.text
    if text.lower() in _TRUTH:
        return Kind.boolean
    for pattern, kind in ((_DATE, Kind.date), (_TIME, Kind.time)):
        if pattern.fullmatch(text):
            return kind if _is_time(text) else Kind.text
    return Kind.text


def _text(name: str, value: object, document_id: str) -> str | None:
    """Returns a value as a text, so that equal values have equal texts; None for a blank one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | datetime):
        return value.isoformat()
    if not isinstance(value, str | int | float | Decimal):
        raise UserError(
            f"field {name!r} of document {document_id!r} holds a {type(value).__name__}, not one value",
            where="documents.keep_fields",
            remedy="write it as a text, a number, a date or a truth value, or do not keep it",
        )
    return str(value).encode("utf-8", "replace").decode().strip() or None


def _is_time(text: str) -> bool:
    try:
        _in_utc(datetime.fromisoformat(text)).astimezone(UTC)
    except (ValueError, OverflowError):  # it is none, or leaves the calendar on its way to UTC
        return False
    return True


def _typed(table: pa.Table, kinds: Mapping[str, Kind], schema: pa.Schema) -> pa.Table:
    columns = [_column(table[name], kinds.get(name, Kind.text)) for name in table.column_names]
    return pa.table(columns, names=table.column_names).cast(schema)


def _column(texts: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    if kind is Kind.boolean:
        return pc.equal(pc.utf8_lower(texts), _TRUTH[0])
    if kind is Kind.time:
        times = [None if text is None else _in_utc(datetime.fromisoformat(text)) for text in texts.to_pylist()]
        return pa.chunked_array([pa.array(times, _TYPES[kind])])
    return texts if kind is Kind.text else texts.cast(_TYPES[kind])


def _in_utc(time: datetime) -> datetime:
    """Returns a time with its zone; one without is taken to be in UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)
