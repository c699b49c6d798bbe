"""Rows of a Parquet file some at a time, in memory that depends on neither the file nor its row groups.

In: a Parquet file of anybody's. Out: batches of at most about a thousand rows or some megabytes. Files that are none,
or are damaged, are named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import UserError
from engine.storage.csv_records import check_names
from engine.storage.lines import unreadable
from engine.storage.pickled import refuse_pickled

BATCH_ROWS, BATCH_BYTES = 1024, 16 << 20
"""The rows that are in memory at a time, or fewer long ones."""


@contextlib.contextmanager
def open_parquet(file: Path) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file for as long as the block lasts.

    Raises:
        UserError: it is no Parquet file, Arrow cannot read what it holds, or a column holds pickled objects.
    """
    try:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            refuse_pickled(parquet.schema_arrow, file)
            yield parquet
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from error


def parquet_batches(parquet: pq.ParquetFile, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Gives rows some at a time, never of two row groups: Arrow cannot join nested columns with dictionaries.

    Args:
        parquet: an open file.
        columns: names of the columns to read; None for all.
    """
    for group in range(parquet.num_row_groups):
        footer = parquet.metadata.row_group(group)
        long_rows = BATCH_BYTES * footer.num_rows // max(1, footer.total_byte_size)
        rows = max(1, min(BATCH_ROWS, long_rows))
        yield from parquet.iter_batches(rows, row_groups=[group], columns=None if columns is None else list(columns))


def parquet_rows(file: Path, *, times: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """Gives the rows of a file by the names of its columns, each with the file and the number of the row, from 1.

    Args:
        file: what to read.
        times: whether columns of dates, times and durations are read; else their values are None.

    Raises:
        UserError: as `open_parquet` and `python_rows`; or two columns have one name.
    """
    number = 0
    with open_parquet(file) as parquet:
        schema = parquet.schema_arrow
        check_names(schema.names, str(file))
        read = [name for name in schema.names if times or not pa.types.is_temporal(schema.field(name).type)]
        nothing = dict.fromkeys(schema.names)
        for batch in parquet_batches(parquet, read):
            for values in python_rows(batch, str(file), number + 1):
                number += 1
                yield f"{file}: row {number}", nothing | values


def python_rows(rows: pa.RecordBatch | pa.Table, where: str, first: int) -> list[dict[str, Any]]:
    """Returns rows with Python's values, by the names of their columns.

    Args:
        rows: some rows.
        where: the file or folder that they are from, for messages.
        first: the number of the first row there, from 1.

    Raises:
        UserError: Python has no such value, as of a date past the year 9999, or a text is not UTF-8; with the row and
            the column.
    """
    try:
        values: list[dict[str, Any]] = rows.to_pylist()
    except (OverflowError, ValueError):
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            for number, value in enumerate(column, first):
                _check_value(value, f"{where}: row {number}", name)
        raise
    return values


def _check_value(value: pa.Scalar, where: str, name: str) -> None:
    """Refuses a value that Python has none for.

    Raises:
        UserError: it is one.
    """
    try:
        value.as_py()
    except (OverflowError, ValueError) as error:
        remedy = "leave the column out, or write it as text"
        if isinstance(error, OverflowError):
            remedy += ": dates end with the year 9999"
        elif isinstance(error, UnicodeDecodeError):
            remedy = "leave the column out, or write its texts as UTF-8"
        raise UserError(f"a value of {name!r} cannot be read ({error})", where=where, remedy=remedy) from error
