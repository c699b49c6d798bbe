"""What a finished output folder holds: the rows of a file of prompts with their answers, in the order of the file.

    part-00000.parquet ...   `row_id`, the row's own columns, and its answer

In: the folder. Out: its tables, some tens of thousands of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.storage.store import read_record
from engine.storage.typed import from_json_values

_GROUP_ROWS, _GROUP_BYTES = 8192, 32 << 20
"""The most rows, and about the most bytes, of one row group: what a reader holds."""


@dataclass(frozen=True)
class OutputRecord:
    """What the output step wrote."""

    rows: int
    """Rows with their answers; each row of the file `prompts.per_row` times."""
    answered: int
    failed: int
    """Rows without an answer; `error` says why."""
    as_json: Sequence[str]
    """Names of columns whose values are JSON text."""


@dataclass(frozen=True)
class OutputFolder:
    """An output folder."""

    path: Path

    def record(self) -> OutputRecord:
        """What the step recorded."""
        return from_json_values(OutputRecord, read_record(self.path).record)

    def parts(self) -> list[Path]:
        """The files, in the order of the rows."""
        return sorted(self.path.glob("part-*.parquet"))

    def stream(self) -> Iterator[pa.Table]:
        """All rows in the order of the file, row group by row group."""
        for part in self.parts():
            with pq.ParquetFile(part, pre_buffer=False) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group)

    def write_part(self, number: int, rows: pa.Table) -> None:
        """Writes one file."""
        group_rows = min(_GROUP_ROWS, max(1, _GROUP_BYTES * rows.num_rows // max(1, rows.nbytes)))
        file = self.path / f"part-{number:05d}.parquet"
        pq.write_table(rows, file, compression="zstd", row_group_size=group_rows)
