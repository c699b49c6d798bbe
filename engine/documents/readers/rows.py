"""Reads documents from rows: JSONL (a BEIR corpus is one), CSV and Parquet.

In: files and the names of their fields. Out: `SourceDocument`s in file order, one row at a time. Which fields are meant
is settled by the first rows of all files together, which are held until then and no longer. A row without an id gets
one from its content, so that it keeps it when rows around it come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.documents.readers.csv_table import read_table
from engine.documents.readers.document import SourceDocument, content_id
from engine.documents.readers.fields import ID_FIELDS, TEXT_FIELDS, TITLE_FIELDS, Columns, Fields, usual_names
from engine.errors import UserError
from engine.storage.csv_records import check_names
from engine.storage.lines import read_objects
from engine.text.first_places import FirstPlaces

LOOK_ROWS = 1000
"""The number of rows by which fields are decided."""
LOOK_CHARACTERS = 1 << 24
"""The characters after which fewer rows must do, so that long documents do not fill the memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file."""

    file: int
    """The index of the file."""
    number: int
    """The line at which the row starts, or the number of the row, from 1."""
    values: Mapping[str, object]


def read_jsonl(files: Sequence[Path], fields: Fields) -> Iterator[SourceDocument]:
    """Gives one document per line.

    Raises:
        UserError: malformed JSON, a wrong field or a duplicate id, with file and line.
    """
    rows = (Row(index, item.line, item.values) for index, file in enumerate(files) for item in read_objects(file))
    return _Reader(files, ":").read(rows, fields, check=True)


def read_csv(
    files: Sequence[Path], fields: Fields, tell: Callable[[str], object] = lambda _: None
) -> Iterator[SourceDocument]:
    """Gives one document per record.

    Args:
        files: tables, each with a header of its own or none.
        fields: names of the columns.
        tell: is called with a sentence on a file that has no header.

    Raises:
        UserError: broken quoting, a record of another length, a wrong field or a duplicate id, with file and line.
    """
    rows = (
        Row(index, line, record) for index, file in enumerate(files) for line, record in read_table(file, fields, tell)
    )
    return _Reader(files, ":").read(rows, fields, check=False)


def read_parquet(files: Sequence[Path], fields: Fields) -> Iterator[SourceDocument]:
    """Gives one document per row, read in batches and only the columns that may be needed.

    Raises:
        UserError: not a Parquet file, a wrong column, two of one name that may be read, or a duplicate id, with file
            and row (from 1).
    """
    rows = (
        Row(index, number, values)
        for index, file in enumerate(files)
        for number, values in enumerate(_parquet_rows(file, fields), 1)
    )
    return _Reader(files, ": row ").read(rows, fields, check=False)


def _parquet_rows(file: Path, fields: Fields) -> Iterator[dict[str, object]]:
    import pyarrow as pa

    from engine.storage.parquet_records import open_parquet, parquet_batches, python_rows

    with open_parquet(file) as parquet:
        schema = parquet.schema_arrow
        fields.check(schema.names, str(file))
        check_names(list(filter(fields.may_read, schema.names)), str(file))
        first = 1
        plain = [field.name for field in schema if not pa.types.is_nested(field.type)]
        for batch in parquet_batches(parquet, _needed(schema.names, plain, fields)):
            yield from python_rows(batch, str(file), first)
            first += len(batch)


def _needed(names: Sequence[str], plain: Sequence[str], fields: Fields) -> list[str]:
    """Chooses the columns to read: those that were set, the first of the usual ones, and all that hold plain values."""
    needed = [name for name in (fields.id, fields.title, fields.text, *fields.kept) if name]
    for name, usual in ((fields.id, ID_FIELDS), (fields.title, TITLE_FIELDS), (fields.text, TEXT_FIELDS)):
        if not name:
            needed += usual_names(names, usual)[:1]
        if not name or usual is TEXT_FIELDS:
            needed += usual_names(plain, usual)
    return list(dict.fromkeys(needed))


class _Reader:
    """Turns rows into documents and remembers where each id was first seen.

    Args:
        files: all files, in the order of reading.
        mark: what stands between a file and the number of a row in messages.
    """

    def __init__(self, files: Sequence[Path], mark: str) -> None:
        self._prefixes = [f"{file}{mark}" for file in files]
        self._seen = FirstPlaces()
        self._kept: tuple[str, ...] = ()

    def read(self, rows: Iterator[Row], fields: Fields, *, check: bool) -> Iterator[SourceDocument]:
        """Gives the documents of all rows.

        Args:
            rows: of all files, in order.
            fields: the names that were set.
            check: whether the rows themselves show which fields there are; else a header was checked before.

        Raises:
            UserError: the rows have no text, as `Fields.check` says, or one of them is at fault.
        """
        first, error = _look(rows)
        if first and check:
            names = list(dict.fromkeys(name for row in first for name in row.values))
            among = f" in the first {len(first):,} rows" if len(first) == LOOK_ROWS else ""
            fields.check(names, self._where(first[0].file, first[0].number), among=among)
        columns, self._kept = fields.decide([row.values for row in first]), fields.kept
        yield from (self._document(row, columns) for row in first)
        if error:
            raise error
        yield from (self._document(row, columns) for row in rows)

    def _document(self, row: Row, columns: Columns) -> SourceDocument:
        where = self._where(row.file, row.number)
        title = columns.read_title(row.values, where)
        text, reason = columns.read_text(row.values, where)
        name = columns.read_id(row.values, where)
        if name:
            self._remember(name, row)
        elif reason:
            name = f"row-{row.file + 1}-{row.number}"  # rows without a text are all alike, and yet not duplicates
        kept = {name: row.values.get(name) for name in self._kept}
        return SourceDocument(name or content_id(title, text), title, text, reason, kept)

    def _where(self, file: int, number: int) -> str:
        """Says where a row stands, for messages: `FILE:LINE`, or `FILE: row ROW`."""
        return f"{self._prefixes[file]}{number}"

    def _remember(self, name: str, row: Row) -> None:
        """Refuses an id that an earlier row has."""
        position = row.number * len(self._prefixes) + row.file
        first = self._seen.put(name, position)
        if first != position:
            first_number, first_file = divmod(first, len(self._prefixes))
            raise UserError(
                f"duplicate id {name!r}, first at {self._where(first_file, first_number)}",
                where=self._where(row.file, row.number),
                remedy="give every document its own id, or set documents.id_field to a field that does",
            )


def _look(rows: Iterator[Row]) -> tuple[list[Row], UserError | None]:
    """Takes the first rows, and the mistake that ended them, to be raised after the documents before it."""
    first: list[Row] = []
    characters = 0
    try:
        for row in rows:
            first.append(row)
            characters += sum(len(value) for value in row.values.values() if isinstance(value, str))
            if len(first) >= LOOK_ROWS or characters >= LOOK_CHARACTERS:
                break
    except UserError as error:
        return first, error
    return first, None
