"""Documents from rows: JSONL (a BEIR corpus is one), CSV and Parquet.

In: a file and the names of its fields. Out: `SourceDocument`s in file order, one row at a time. Field names
left empty are found by the names people use. A row without an id gets one from its content, so that it keeps
it when rows around it come and go.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.documents.readers.document import SourceDocument, content_id
from engine.errors import UserError, suggest
from engine.storage.lines import read_lines, read_objects, unreadable

ID_FIELDS = ("_id", "id", "doc_id", "docid", "document_id", "docno", "pid", "passage_id")
TITLE_FIELDS = ("title", "headline", "heading")
TEXT_FIELDS = ("text", "contents", "content", "body", "passage", "paragraph", "document")
"""Names that people give to the fields of an id, a title and a text; an earlier name is preferred."""
DELIMITERS = (",", "\t", ";", "|")
"""What may stand between the fields of a CSV file."""
PARQUET_BATCH_ROWS = 1024
"""Rows of a Parquet file that are in memory at a time."""


@dataclass(frozen=True)
class Fields:
    """Names of the fields that hold a row's id, title and text; an empty one is found among the usual names."""

    id: str = ""
    title: str = ""
    text: str = ""

    def resolve(self, names: Sequence[str], where: str) -> Fields:
        """The fields with every name filled in; title and id stay empty where the rows have none.

        Args:
            names: the fields that the rows have.
            where: the file and line, for messages.

        Raises:
            UserError: a configured name is not there, or no field looks like the text.
        """
        for key, name in (("id_field", self.id), ("title_field", self.title), ("text_field", self.text)):
            if name and name not in names:
                remedy = f"set documents.{key}: {_choice(name, names)}"
                raise UserError(f"no field {name!r}", where=where, remedy=remedy)
        text = self.text or _first_present(TEXT_FIELDS, names)
        if not text:
            raise UserError(
                f"no field looks like the text; there are: {', '.join(names) or 'none'}",
                where=where,
                remedy="set documents.text_field (and documents.id_field, documents.title_field) to one of them",
            )
        title = self.title or _first_present(TITLE_FIELDS, names)
        return Fields(self.id or _first_present(ID_FIELDS, names), title, text)


def read_jsonl(files: Sequence[Path], fields: Fields) -> Iterator[SourceDocument]:
    """One document per line; the first line of each file settles the field names.

    Raises:
        UserError: malformed JSON, a wrong field or a duplicate id, with file and line.
    """
    rows = _Rows(files, ":")
    for index, file in enumerate(files):
        resolved = None
        for item in read_objects(file):
            resolved = resolved or fields.resolve(list(item.values), rows.where(index, item.line))
            yield rows.document(item.values, resolved, index, item.line)


def read_csv(files: Sequence[Path], fields: Fields) -> Iterator[SourceDocument]:
    """One document per record below a header; comma, tab, semicolon and bar are told apart by the header.

    Raises:
        UserError: broken quoting, a record of another length, a wrong field or a duplicate id, with file and line.
    """
    csv.field_size_limit(sys.maxsize)  # the default refuses fields past 128 KiB, and documents are longer
    rows = _Rows(files, ":")
    for index, file in enumerate(files):
        records = _csv_records(file)
        line, header = next(records, (1, []))
        if not header:
            continue
        resolved = fields.resolve(header, rows.where(index, line))
        for line, record in records:
            if len(record) != len(header):
                raise UserError(
                    f"{len(record)} fields where the header has {len(header)}",
                    where=rows.where(index, line),
                    remedy='quote fields that hold the delimiter or line breaks ("..."), or convert the file to JSONL',
                )
            yield rows.document(dict(zip(header, record, strict=True)), resolved, index, line)


def read_parquet(files: Sequence[Path], fields: Fields) -> Iterator[SourceDocument]:
    """One document per row, read in batches and only the columns needed.

    Raises:
        UserError: not a Parquet file, a wrong column, or a duplicate id, with file and row (from 1).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _Rows(files, ": row ")
    for index, file in enumerate(files):
        try:
            with pq.ParquetFile(file) as parquet:
                resolved = fields.resolve(parquet.schema_arrow.names, str(file))
                columns = [name for name in (resolved.id, resolved.title, resolved.text) if name]
                batches = parquet.iter_batches(PARQUET_BATCH_ROWS, columns=columns)
                table_rows = (row for batch in batches for row in batch.to_pylist())
                for number, row in enumerate(table_rows, 1):
                    yield rows.document(row, resolved, index, number)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise unreadable(file, error) from error


class _Rows:
    """Turns rows into documents and remembers where each id was first seen, in one integer per id.

    Args:
        files: all files, in the order of reading.
        mark: what stands between a file and the number of a row in messages.
    """

    def __init__(self, files: Sequence[Path], mark: str) -> None:
        self._prefixes = [f"{file}{mark}" for file in files]
        self._seen: dict[str, int] = {}

    def where(self, file: int, number: int) -> str:
        """Where a row stands, for messages: `FILE:LINE`, or `FILE: row ROW`."""
        return f"{self._prefixes[file]}{number}"

    def document(self, row: Mapping[str, object], fields: Fields, file: int, number: int) -> SourceDocument:
        """Row `number` (from 1) of the file with index `file` as a document."""
        where = self.where(file, number)
        title = _text(row, fields.title, where)
        text = _text(row, fields.text, where)
        name = _text(row, fields.id, where).strip()
        if name:
            self._remember(name, file, number)
        return SourceDocument(name or content_id(title, text), title, text)

    def _remember(self, name: str, file: int, number: int) -> None:
        """Refuses an id that an earlier row has."""
        position = number * len(self._prefixes) + file
        first = self._seen.setdefault(name, position)
        if first != position:
            first_number, first_file = divmod(first, len(self._prefixes))
            raise UserError(
                f"duplicate id {name!r}, first at {self.where(first_file, first_number)}",
                where=self.where(file, number),
                remedy="give every document its own id, or set documents.id_field to a field that does",
            )


def _text(row: Mapping[str, object], field: str, where: str) -> str:
    """The text in a field of a row; empty where the row has no such field or nothing in it."""
    value = row.get(field) if field else None
    if value is None or (isinstance(value, float) and math.isnan(value)):  # NaN: a data frame's missing text
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UserError(
        f"field {field!r} holds a {type(value).__name__}, not a text",
        where=where,
        remedy="write it as one string, or name another field in documents.text_field, title_field or id_field",
    )


def _csv_records(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each starts at, header first, blank lines skipped."""
    head = next((line for line in read_lines(file) if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([head], delimiter=mark), [])))
    reader = csv.reader(read_lines(file), delimiter=delimiter, strict=True)
    before = 0
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield before + 1, record
            before = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"malformed CSV ({error})",
            where=f"{file}:{before + 1}",
            remedy='close every quote and write a quote inside a field as "", or convert the file to JSONL',
        ) from None


def _first_present(usual: Sequence[str], names: Sequence[str]) -> str:
    """The first of the usual names that the rows have, whatever its case; empty where they have none."""
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in usual if name in by_lower), "")


def _choice(name: str, names: Sequence[str]) -> str:
    """Which names could have been meant."""
    return suggest(name, names) if names else "the rows have no fields"
