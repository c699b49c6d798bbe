"""What a finished rows folder holds, and how it is written and read: rows of any columns that prompts are about.

    rows.parquet    a row per row: `row_id`, its own columns as `column_NAME` (those that are JSON text as `json_NAME`),
                    and what it sets about sampling as `sampling_NAME`

In: rows with ids, piece by piece. Out: the same rows, streamed, or joined with rows of a plan, whose `passage_id` is
then a `row_id`. Texts stay on the disk: an open folder holds 16 bytes per row, and what was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BrokenInvariantError
from engine.storage.parts import Pieces
from engine.storage.store import read_record
from engine.storage.tables import with_large_texts
from engine.storage.typed import from_json_values
from engine.text.hashes import Integers, text_hashes

ROWS_FILE = "rows.parquet"
ROW_ID = "row_id"
COLUMN, JSON, SAMPLING = "column_", "json_", "sampling_"
"""How the names of columns begin: of a row's own ones, of own ones whose values are JSON text, of its sampling."""

_GROUP_BYTES = 4 << 20
"""About so much text is one row group, the least that is read."""
_PIECE_ROWS = 1 << 13
"""Rows that are written together, or fewer where they are long."""
_JOINED_BYTES = 128 << 20
"""About so much text is joined at a time."""
_MOST_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class RowsRecord:
    """What a rows folder was filled with."""

    rows: int
    columns: Sequence[str]
    """Names of the rows' own columns, in their order."""
    sampling: Sequence[str]
    """The settings of sampling that rows set for themselves."""


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the own columns of a row of this folder, by their own names, JSON parsed.

    Args:
        row: columns as the file has them, and any others.
    """
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if name.startswith(COLUMN):
            columns[name.removeprefix(COLUMN)] = value
        elif name.startswith(JSON):
            columns[name.removeprefix(JSON)] = None if value is None else json.loads(value)
    return columns


def sampling_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a row sets about sampling, by setting.

    Args:
        row: columns as the file has them, and any others.
    """
    named = {name.removeprefix(SAMPLING): value for name, value in row.items() if name.startswith(SAMPLING)}
    return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class RowsFolder:
    """A rows folder."""

    path: Path

    def record(self) -> RowsRecord:
        """What the step recorded."""
        return from_json_values(RowsRecord, read_record(self.path).record)

    @property
    def file(self) -> Path:
        """The file of the rows, for whoever needs a digest of it."""
        return self.path / ROWS_FILE

    def writer(self) -> RowsWriter:
        """Returns what writes the folder; it is a context manager."""
        return RowsWriter(self.file)

    def num_rows(self) -> int:
        """Returns the number of rows."""
        return int(pq.read_metadata(self.file).num_rows)

    def names(self) -> list[str]:
        """Returns the names of the rows' own columns, in their order."""
        return [_own_name(name) for name in pq.read_schema(self.file).names if name.startswith((COLUMN, JSON))]

    def stream(self, names: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Gives all rows in their order, some megabytes at a time.

        Args:
            names: own columns to read; None for all. `row_id` and sampling are always there.
        """
        with pq.ParquetFile(self.file, pre_buffer=False) as file:
            columns = _file_columns(file.schema_arrow.names, names)
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns).combine_chunks().to_batches()

    def rows(self, names: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Gives the id and the own columns of every row, in their order."""
        for batch in self.stream(names):
            for row in batch.to_pylist():
                yield row[ROW_ID], columns_of(row)

    def joinable(self, names: Collection[str] | None = None) -> JoinableRows:
        """Opens the folder for joining with rows of a plan.

        Args:
            names: own columns to join; None for all.
        """
        return JoinableRows(self, names)


class RowsWriter:
    """Writes a rows folder piece by piece.

    Args:
        file: where to.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._pieces = Pieces(_PIECE_ROWS)

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for piece in self._pieces.rest() if error is None else ():
            self._write(piece)
        if self._writer:
            self._writer.close()

    def add(
        self,
        ids: Sequence[str] | pa.Array,
        columns: pa.Table,
        *,
        as_json: Collection[str] = (),
        sampling: pa.Table | None = None,
    ) -> None:
        """Writes the next rows. All pieces have the same columns.

        Args:
            ids: of the rows, each of which no other row of the folder has.
            columns: the rows' own columns, by their own names.
            as_json: names of those whose values are JSON text, which templates see parsed.
            sampling: what rows set about sampling, a column per setting; null where a row does not.
        """
        table = pa.table({ROW_ID: pa.array(ids, pa.string())})
        for field, column in zip(columns.schema, columns.columns, strict=True):
            table = table.append_column((JSON if field.name in as_json else COLUMN) + field.name, column)
        if sampling is not None:
            for name in sampling.column_names:
                table = table.append_column(SAMPLING + name, sampling[name])
        self.add_stored(table)

    def add_stored(self, table: pa.Table) -> None:
        """Writes the next rows, with the columns of another rows folder as its file has them."""
        for piece in self._pieces.add(table):
            self._write(piece)

    def _write(self, piece: pa.Table) -> None:
        if self._writer is None:
            # Without dictionaries the footer tells the size in memory of texts that repeat; zstd makes them as small.
            self._writer = pq.ParquetWriter(self._file, piece.schema, compression="zstd", use_dictionary=False)
        group_rows = max(1, _GROUP_BYTES * piece.num_rows // max(1, piece.nbytes))
        self._writer.write_table(piece.cast(self._writer.schema), row_group_size=group_rows)


class JoinableRows:
    """A rows folder whose columns are joined with rows of a plan (see `engine.artifacts.subjects.Subjects`).

    Args:
        folder: the rows folder.
        names: own columns to join; None for all.
    """

    def __init__(self, folder: RowsFolder, names: Collection[str] | None) -> None:
        self._folder = folder
        with pq.ParquetFile(folder.file, pre_buffer=False) as file:
            self._columns = _file_columns(file.schema_arrow.names, names)
            metadata = file.metadata
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            self._group_starts = np.cumsum([0, *(group.num_rows for group in groups)])
            num_bytes = sum(group.total_byte_size for group in groups)
            hashes = [np.empty(0, np.uint64)]
            hashes += [text_hashes(batch[0].to_pylist()) for batch in file.iter_batches(columns=[ROW_ID])]
        unordered = np.concatenate(hashes)
        self._order = np.argsort(unordered)
        self._hashes = unordered[self._order]
        mean_bytes = max(1, num_bytes // max(1, len(unordered)))
        self.rows_at_once = max(1, min(_MOST_ROWS_AT_ONCE, _JOINED_BYTES // mean_bytes))
        """Rows that are joined at a time: each row group is read once for all of them."""

    @property
    def file(self) -> Path:
        """Returns the file whose content decides what is joined."""
        return self._folder.file

    def numbers(self, ids: Sequence[str]) -> Integers:
        """Returns the places of rows in the file, by their ids.

        Raises:
            BrokenInvariantError: there is no such row.
        """
        wanted = text_hashes(ids)
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        if len(missing := np.flatnonzero(self._hashes[places] != wanted)):
            raise BrokenInvariantError(f"{self._folder.path} has no row {ids[missing[0]]!r}")
        numbers: Integers = self._order[places].astype(np.int64)
        return numbers

    def join(self, planned: pa.Table) -> pa.Table:
        """Appends the columns of their rows to rows of a plan."""
        rows = self.take(self.numbers(planned["passage_id"].to_pylist()))
        if rows[ROW_ID].to_pylist() != planned["passage_id"].to_pylist():
            raise BrokenInvariantError(f"two rows of {self._folder.path} have ids of the same hash")
        for name in rows.column_names[1:]:
            planned = planned.append_column(name, rows[name])
        return planned

    def take(self, numbers: Integers) -> pa.Table:
        """Returns rows by their places in the file, in the order that they are asked for: each row group is read once.

        Args:
            numbers: (n,) places; one may stand there several times.
        """
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        groups = np.searchsorted(self._group_starts, ordered, side="right") - 1
        starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
        pieces = []
        with pq.ParquetFile(self._folder.file, pre_buffer=False) as file:
            for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
                group = with_large_texts(file.read_row_group(int(groups[start]), self._columns))
                pieces.append(group.take(pa.array(ordered[start:end] - self._group_starts[groups[start]])))
        return pa.concat_tables(pieces).combine_chunks().take(pa.array(np.argsort(order)))


def _own_name(name: str) -> str:
    return name.removeprefix(JSON if name.startswith(JSON) else COLUMN)


def _file_columns(present: Sequence[str], names: Collection[str] | None) -> list[str]:
    """Chooses the columns of the file to read: the id, own columns by their names, and sampling."""
    own = [name for name in present if name.startswith((COLUMN, JSON)) and (names is None or _own_name(name) in names)]
    return [ROW_ID, *own, *(name for name in present if name.startswith(SAMPLING))]
