"""Finds the fields of rows that are the id, the title and the text, and reads them.

In: rows as mappings, and the names that the user set. Out: texts, or the reason why a row has none. Names left empty
are found among the usual ones by looking at many rows, since the first of a file is often unlike the others. A row that
uses another usual name than the rest is read by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.artifacts.judgements import plain_id
from engine.errors import UserError, suggest

ID_FIELDS = ("_id", "id", "doc_id", "docid", "document_id", "docno", "pid", "passage_id")
TITLE_FIELDS = ("title", "headline", "heading")
TEXT_FIELDS = ("text", "contents", "content", "body", "passage", "paragraph", "document")
"""Names that people give to the fields of an id, a title and a text; an earlier name is preferred."""

_SHOWN_NAMES, _SHOWN_CHARACTERS = 20, 40
"""The most names that a message lists, and characters of each: a first line that is no header may be a whole text."""


@dataclass(frozen=True)
class Fields:
    """Names of the fields that hold a row's id, title and text; an empty one is found among the usual names."""

    id: str = ""
    title: str = ""
    text: str = ""
    kept: tuple[str, ...] = ()
    """The fields that are kept beside the text."""

    def check(self, names: Sequence[str], where: str, *, hint: str = "", among: str = "") -> None:
        """Refuses rows that lack a field which was set, or have no field that could be the text.

        Args:
            names: the fields that the rows have.
            where: the file and line, for messages.
            hint: what else may be done where no field looks like the text.
            among: which rows were looked at, where there are more.

        Raises:
            UserError: a configured name is not there, or no field looks like the text.
        """
        named = [("id_field", self.id), ("title_field", self.title), ("text_field", self.text)]
        for key, name in (*named, *(("keep_fields", name) for name in self.kept)):
            if name and name not in names:
                choice = suggest(name, map(_short, names)) if names else "the rows have no fields"
                raise UserError(f"no field {name!r}{among}", where=where, remedy=f"set documents.{key}: {choice}")
        if not self.text and not usual_names(names, TEXT_FIELDS):
            listed = ", ".join(map(_short, names[:_SHOWN_NAMES])) or "none"
            raise UserError(
                f"no field looks like the text{among}; there are: {listed}",
                where=where,
                remedy=f"set documents.text_field (and documents.id_field, documents.title_field) to one of them{hint}",
            )

    def may_read(self, name: str) -> bool:
        """Tells whether a field may be read: it was set, or has a usual name."""
        is_usual = name.lower() in (*ID_FIELDS, *TITLE_FIELDS, *TEXT_FIELDS)
        return is_usual or name in (self.id, self.title, self.text, *self.kept)

    def decide(self, rows: Sequence[Mapping[str, object]]) -> Columns:
        """Decides which fields are meant, by what the rows hold."""
        named = {self.id, self.title, self.text}
        return Columns(
            *(
                Column(name, ()) if name else _decide(tuple(n for n in usual if n not in named), rows)
                for name, usual in ((self.id, ID_FIELDS), (self.title, TITLE_FIELDS), (self.text, TEXT_FIELDS))
            )
        )


@dataclass(frozen=True)
class Column:
    """The field of one role, an id, a title or a text."""

    name: str
    """The name of the field in most rows; empty where no row has one."""
    usual: tuple[str, ...]
    """Other names that the field may have in a row, in lower case; none where the user named the field."""

    def value(self, row: Mapping[str, object]) -> tuple[str, object]:
        """Returns the field in which a row holds something, and its value; the decided field where none does."""
        value = row.get(self.name)
        if holds(value) or not self.usual:
            return self.name, value
        name = next((name for name in usual_names(row, self.usual) if holds(row[name])), self.name)
        return name, row.get(name)


@dataclass(frozen=True)
class Columns:
    """The fields in which rows have their id, title and text."""

    id: Column
    title: Column
    text: Column

    def read_id(self, row: Mapping[str, object], where: str) -> str:
        """Reads the id of a row, a whole number without its `.0`; empty where it has none."""
        name, value = self.id.value(row)
        text = as_text(name, value, where).strip()
        return plain_id(value if isinstance(value, float) and text else text)

    def read_title(self, row: Mapping[str, object], where: str) -> str:
        """Reads the title of a row; empty where it has none."""
        return as_text(*self.title.value(row), where)

    def read_text(self, row: Mapping[str, object], where: str) -> tuple[str, str]:
        """Reads the text of a row; where its field has none but another field seems to, it gives the reason.

        A row without the field is read by another usual name. A row whose field is there and empty may mean that, so
        another field is named and not read; likewise where the user set the field.
        """
        decided = row.get(self.text.name)
        name, value = (self.text.name, decided) if isinstance(decided, str) else self.text.value(row)
        text = as_text(name, value, where)
        if holds(text):
            return text, ""
        taken = {self.id.name, self.title.name, name}
        other = next((n for n in usual_names(row, TEXT_FIELDS) if n not in taken and holds(row[n])), "")
        if other:
            return text, f"no text in {name!r}, but in {other!r}"
        return text, "" if name in row or self.read_title(row, where) else f"no field {name!r}"


def usual_names(names: Iterable[str], usual: Sequence[str]) -> list[str]:
    """Returns the names that are usual ones, in whatever case; an earlier usual name comes first."""
    by_lower: dict[str, str] = {}
    for name in names:
        by_lower.setdefault(name.lower(), name)
    return [by_lower[name] for name in usual if name in by_lower]


def holds(value: object) -> bool:
    """Tells whether a value is a text that is not blank, or a number; NaN is how data frames write a missing text."""
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) or (isinstance(value, str) and bool(value.strip()))


def as_text(field: str, value: object, where: str) -> str:
    """Returns the text in a field of a row; empty where there is no such field or nothing in it.

    Raises:
        UserError: it holds a list or an object.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UserError(
        f"field {field!r} holds a {type(value).__name__}, not a text",
        where=where,
        remedy="write it as one string, or name another field in documents.text_field, title_field or id_field",
    )


def _decide(usual: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> Column:
    """Returns the first usual name in which at least half of the rows hold something, else the one in which most do."""
    present = dict.fromkeys(name for row in rows for name in row)
    names = usual_names(present, usual)
    held = {name: sum(holds(row.get(name)) for row in rows) for name in names}
    half = next((name for name in names if 2 * held[name] >= len(rows)), "")
    return Column(half or max(names, key=held.__getitem__, default=""), usual)


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}..."
