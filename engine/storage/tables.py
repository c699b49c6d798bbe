"""Tables whose columns of text may be larger than 2 GiB.

In: a Parquet file. Out: the same rows with 64-bit offsets. Arrow's `string` counts bytes in 32 bits, so that a column
of a few million texts cannot be put in one piece, sorted or taken from; a `large_string` can. Files keep `string`,
which every reader knows: the type is a matter of memory only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def read_rows(
    file: Path, columns: Sequence[str] | None = None, filters: list[tuple[str, str, Any]] | None = None
) -> pa.Table:
    """Reads a Parquet file with its texts as large strings.

    Args:
        file: what to read.
        columns: names of columns; all of them by default.
        filters: conditions that rows meet, as (column, operator, value).
    """
    return with_large_texts(pq.read_table(file, columns=None if columns is None else list(columns), filters=filters))


def with_large_texts(table: pa.Table) -> pa.Table:
    """Returns the same table with large strings in place of strings; the texts themselves are not copied."""
    return table.cast(pa.schema([_large(column) for column in table.schema], table.schema.metadata))


def _large(column: pa.Field) -> pa.Field:
    return column.with_type(pa.large_string()) if pa.types.is_string(column.type) else column
