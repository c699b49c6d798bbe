"""What a finished examples folder holds, and how it is read.

    kept.parquet, rejected.parquet    a row per generated sample (`columns.EXAMPLES`), in one of the two

In: the folder. Out: tables of examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.storage.store import read_record
from engine.storage.typed import from_json_values

KEPT_FILE = "kept.parquet"
REJECTED_FILE = "rejected.parquet"


@dataclass(frozen=True)
class ExamplesRecord:
    """What curation did; generated = kept + rejected."""

    kept: int
    train: int
    """Kept examples of the split that is trained on."""
    validation: int
    """Kept examples of held-out documents."""
    rejected: Mapping[str, int]
    """Number of rejected samples, by reason."""
    seconds: Mapping[str, float]
    """Time of each phase."""
    analyser: str = ""
    """Name of the analyser by which BM25 read words in the round trip; empty where BM25 took no part."""


@dataclass(frozen=True)
class ExamplesFolder:
    """A finished examples folder."""

    path: Path

    def record(self) -> ExamplesRecord:
        """What the step recorded."""
        return from_json_values(ExamplesRecord, read_record(self.path).record)

    def kept(self, columns: Sequence[str] | None = None, split: str = "") -> pa.Table:
        """The kept examples.

        Args:
            columns: names of `columns.EXAMPLES` and of conditions; all of them by default.
            split: "train" or "validation"; empty for both.
        """
        return self._read(KEPT_FILE, columns, [("split", "==", split)] if split else None)

    def rejected(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rejected examples, each with its reason."""
        return self._read(REJECTED_FILE, columns, None)

    def held_out(self, columns: Sequence[str], reasons: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The examples of held-out documents batch by batch, so that they need not fit into memory.

        Args:
            columns: names of `columns.EXAMPLES`.
            reasons: rejected examples are among them that were rejected for one of these; kept ones always are.
        """
        counted = pa.array(reasons, pa.string())
        for name in (KEPT_FILE, REJECTED_FILE):
            with pq.ParquetFile(self.path / name) as file:
                for batch in file.iter_batches(columns=[*columns, "split", "reason"]):
                    rows = batch.filter(pc.equal(batch["split"], "validation"))
                    if name == REJECTED_FILE:
                        rows = rows.filter(pc.is_in(rows["reason"], value_set=counted))
                    yield rows.select(list(columns))

    def row(self, sample_id: int) -> dict[str, Any] | None:
        """The example that a sample became, kept (its reason is empty) or rejected; None where it failed before."""
        for file in (KEPT_FILE, REJECTED_FILE):
            rows: list[dict[str, Any]] = self._read(file, None, [("sample_id", "=", sample_id)]).to_pylist()
            if rows:
                return rows[0]
        return None

    def _read(self, file: str, columns: Sequence[str] | None, filters: list[tuple[str, str, Any]] | None) -> pa.Table:
        return pq.read_table(self.path / file, columns=None if columns is None else list(columns), filters=filters)
