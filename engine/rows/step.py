"""The rows step reads a file of prompts, or a folder of such files, into a rows folder.

In: Parquet, JSONL, CSV or text files. Out: a rows folder (engine/artifacts/rows.py) in the order of the files, with an
id for each row. JSON is read twice, since only all rows together say which columns there are; texts are never held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.rows import RowsFolder, RowsRecord
from engine.errors import UserError
from engine.rows.columns import Columns, look_at
from engine.rows.config import RowsConfig
from engine.rows.form import MESSAGES, PROMPT, SYSTEM, first_names
from engine.rows.ids import DuplicateIdError, RowIds
from engine.rows.sampling import sampling_table
from engine.rows.source import Kind, Source, read_tables, read_values
from engine.storage.parquet_records import python_rows

if TYPE_CHECKING:
    from engine.runtime.place import Place

_ROWS_AT_ONCE, _CHARACTERS_AT_ONCE = 1024, 16 << 20
"""So many rows are in memory, or fewer long ones: a row may be a book."""


@dataclass(frozen=True)
class _Piece:
    """Some rows, one behind the other."""

    places: Sequence[str]
    """Where each stands: file and line, or file and row."""
    rows: Sequence[Mapping[str, object]]
    table: pa.Table
    """Their own columns."""


def read_rows(
    config: RowsConfig,
    inputs: Mapping[str, Path],  # noqa: ARG001 (the first step has none)
    output: Path,
    place: Place,
) -> RowsRecord:
    """Reads rows and gives them ids.

    Args:
        config: which rows.
        inputs: folders of earlier steps; there are none.
        output: becomes a rows folder.
        place: where a person is told of what is read.

    Raises:
        UserError: a file is malformed, two rows have one id, texts and chats are mixed, or there is no row.
    """
    has_system = not config.asks_rows or SYSTEM in first_names(config.source())
    source, ids, count = config.source(), RowIds(config.id_field), 0
    as_json, pieces = _open(source)
    names: list[str] = []
    settings: list[str] = []
    with RowsFolder(output).writer() as writer:
        for piece in pieces:
            names = piece.table.column_names
            settings = [name for name in config.sampling if name in names]
            if config.asks_rows:
                _check_form(piece, has_system=has_system)
            try:
                row_ids = ids.give(piece.rows, piece.places)
            except DuplicateIdError as error:
                raise error.explained(_places_and_rows(source), config.id_field) from error
            sampling = sampling_table(piece.rows, settings, piece.places) if settings else None
            writer.add(row_ids, piece.table, as_json=as_json, sampling=sampling)
            count += len(row_ids)
    if not count:
        raise UserError(
            "holds no rows", where=f"prompts.path={config.path}", remedy="name a file with at least one row"
        )
    if settings:
        place.console.step("rows", f"settings that rows have for themselves: {', '.join(settings)}")
    return RowsRecord(rows=count, columns=names, sampling=settings)


def _open(source: Source) -> tuple[set[str], Iterator[_Piece]]:
    """Returns the names of columns of JSON text, and the rows in pieces."""
    if source.kind is Kind.parquet:
        return set(), _pieces_of_tables(source)
    columns = look_at(values for _, values in read_values(source))

    def pieces() -> Iterator[_Piece]:
        for some in _some_at_once(read_values(source)):
            places, rows = [where for where, _ in some], [values for _, values in some]
            yield _Piece(places, rows, _table(columns, rows, places))

    return columns.json_names, pieces()


def _some_at_once(rows: Iterable[tuple[str, dict[str, object]]]) -> Iterator[list[tuple[str, dict[str, object]]]]:
    some: list[tuple[str, dict[str, object]]] = []
    size = 0
    for where, row in rows:
        some.append((where, row))
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(some) == _ROWS_AT_ONCE or size >= _CHARACTERS_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _table(columns: Columns, rows: Sequence[Mapping[str, object]], places: Sequence[str]) -> pa.Table:
    """Makes a table of rows.

    Raises:
        UserError: a text of a row is half a character, which JSON can write and UTF-8 cannot.
    """
    try:
        return columns.table(rows)
    except UnicodeEncodeError as error:
        where = next((place for place, row in zip(places, rows, strict=True) if not _is_utf8(row)), places[0])
        remedy = r"write whole characters: \ud83d\ude00, not \ud83d alone"
        raise UserError("a text holds half a character", where=where, remedy=remedy) from error


def _is_utf8(row: Mapping[str, object]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _pieces_of_tables(source: Source) -> Iterator[_Piece]:
    for file, first, table in read_tables(source):
        places = [f"{file}: row {number}" for number in range(first, first + table.num_rows)]
        yield _Piece(places, python_rows(table, str(file), first), table)


def _places_and_rows(source: Source) -> Iterator[tuple[str, Mapping[str, object]]]:
    if source.kind is not Kind.parquet:
        yield from read_values(source)
        return
    for piece in _pieces_of_tables(source):
        yield from zip(piece.places, piece.rows, strict=True)


def _check_form(piece: _Piece, *, has_system: bool) -> None:
    """Refuses a file in which some rows ask by a text and others by a chat, or in which a system message is unheard.

    Args:
        piece: the rows.
        has_system: whether what is asked has a place for one, since the first rows have the column.

    Raises:
        UserError: a row has another form than the columns of the first rows say.
    """
    has_text = PROMPT in piece.table.column_names
    for where, row in zip(piece.places, piece.rows, strict=True):
        text, chat = row.get(PROMPT), row.get(MESSAGES)
        if has_text and (chat not in (None, "", []) or isinstance(text, (list, dict))):
            what = f"a chat among texts: the file has a column {PROMPT!r} of texts, and this row a chat"
            remedy = "put chats into a file of their own, or choose: task.prompt='{{ row.prompt }}'"
            raise UserError(what, where=where, remedy=remedy)
        if has_text and not has_system and row.get(SYSTEM) is not None:
            remedy = f'give the first row the column too, if only as null: {{"{SYSTEM}": null, ...}}'
            raise UserError(f"has a column {SYSTEM!r}, and no earlier row has", where=where, remedy=remedy)
