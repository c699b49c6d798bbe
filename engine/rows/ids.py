"""Gives rows their ids: those of a field, or the hash of their content and how often the same row came before.

In: rows in the order of their files. Out: ids that stay with a row when others come and go. Of each row 16 bytes are
kept, by which an id that comes twice is found; where it stood first is looked up only then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

from engine.errors import UserError, suggest
from engine.storage.digests import digest
from engine.text.hashes import text_hashes
from engine.text.occurrences import Occurrences


class RowIds:
    """Gives ids.

    Args:
        field: the name of the field that has them; empty: they are made from the content.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._seen = Occurrences()

    def give(self, rows: Sequence[Mapping[str, object]], places: Sequence[str]) -> list[str]:
        """Returns the ids of the next rows.

        Args:
            rows: own columns of each.
            places: where each stands, for messages.

        Raises:
            UserError: a row has no id, or one that an earlier row has.
        """
        if self._field:
            ids = [field_id(row, self._field, place) for row, place in zip(rows, places, strict=True)]
        else:
            ids = [content_id(row) for row in rows]
        before = self._seen.count(text_hashes(ids)).tolist()
        if not self._field:
            return [f"{name}#{count + 1}" if count else name for name, count in zip(ids, before, strict=True)]
        for name, count, place in zip(ids, before, places, strict=True):
            if count:
                raise DuplicateIdError(name, place)
        return ids


class DuplicateIdError(Exception):
    """An id that an earlier row has; who can read the rows again says where that one stands."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(name)
        self.name, self.place = name, place

    def explained(self, rows: Iterable[tuple[str, Mapping[str, object]]], field: str) -> UserError:
        """Returns the error that a user reads.

        Args:
            rows: all rows once more, each with its place.
            field: the field that has the ids.
        """
        first = next(place for place, row in rows if field_id(row, field, place) == self.name)
        remedy = "give every row its own id, or leave prompts.id_field out: ids are then made from the content"
        return UserError(f"duplicate id {self.name!r}, first at {first}", where=self.place, remedy=remedy)


def field_id(row: Mapping[str, object], field: str, place: str) -> str:
    """Returns the id that a field of a row has.

    Raises:
        UserError: the row has no such field, or nothing in it.
    """
    if field not in row:
        raise UserError(f"has no field {field!r}", where=place, remedy=f"set prompts.id_field: {suggest(field, row)}")
    value = row[field]
    name = "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()
    if not name:
        raise UserError(
            f"the id {field!r} is empty", where=place, remedy="give every row an id, or leave prompts.id_field out"
        )
    return name


def content_id(row: Mapping[str, object]) -> str:
    """Hashes the content of a row into 16 hex digits; fields without a value and the order of fields do not count."""
    there = {name: row[name] for name in sorted(row) if row[name] is not None}
    return digest(json.dumps(there, ensure_ascii=False, default=str))
