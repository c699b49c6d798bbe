"""What a finished examples folder holds, and how it is read.

    kept.parquet, rejected.parquet    a row per generated sample (`columns.EXAMPLES`), in one of the two
    controls.parquet                  beside labelled texts: kept texts that are controls, where there are any

In: the folder. Out: tables of examples. Examples that a user gave have the same ids, split and reason, and the columns
of their form (`forms.py`); generated ones are pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX, condition_names
from engine.artifacts.forms import Form, form_of
from engine.storage.store import read_record
from engine.storage.tables import read_rows
from engine.storage.typed import from_json_values

KEPT_FILE = "kept.parquet"
REJECTED_FILE = "rejected.parquet"
CONTROLS_FILE = "controls.parquet"
CONTROLS = pa.schema([("sample_id", pa.int64()), ("text", pa.large_string())])
"""The columns of controls."""
COUNTED_REASONS = ("round_trip", "max_per_passage")
"""Reasons of the round trip and of what follows it: held-out queries that were rejected for them are measured on as the
kept ones are, since the round trip keeps what the base model already finds."""

_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class ExamplesRecord:
    """What curation did; generated = kept + rejected, and beside labelled texts both kinds of controls."""

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
    labels: Mapping[str, int] = field(default_factory=dict)
    """Number of kept examples by label; empty where they have none."""
    not_one_label: int = 0
    """Number of kept texts of given examples that have no label or several."""
    controls: int | None = None
    """Number of kept texts that are controls, which `kept` does not count; None where no text was to be one."""
    rejected_controls: Mapping[str, int] = field(default_factory=dict)
    """Number of rejected texts that are controls, which `rejected` does not count, by reason."""


@dataclass(frozen=True)
class ExamplesFolder:
    """A finished examples folder."""

    path: Path

    def record(self) -> ExamplesRecord:
        """What the step recorded."""
        return from_json_values(ExamplesRecord, read_record(self.path).record)

    def kept(self, columns: Sequence[str] | None = None, split: str = "") -> pa.Table:
        """The kept examples, their texts as large strings.

        Args:
            columns: names of `columns.EXAMPLES` and of conditions; all of them by default.
            split: "train" or "validation"; empty for both.
        """
        return self._read(KEPT_FILE, columns, [("split", "==", split)] if split else None)

    def kept_batches(self, columns: Sequence[str], split: str = "") -> Iterator[pa.RecordBatch]:
        """Reads the same batch by batch, so that they need not fit into memory; see `kept`."""
        return self._stream(KEPT_FILE, columns, split)

    def rejected(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rejected examples, each with its reason."""
        return self._read(REJECTED_FILE, columns, None)

    def rejected_batches(self, columns: Sequence[str], split: str = "") -> Iterator[pa.RecordBatch]:
        """Reads the rejected examples batch by batch; see `kept_batches`."""
        return self._stream(REJECTED_FILE, columns, split)

    def control_batches(self) -> Iterator[pa.RecordBatch]:
        """Reads the controls batch by batch, with the columns of `CONTROLS`; nothing where there are none."""
        if (self.path / CONTROLS_FILE).exists():
            yield from self._stream(CONTROLS_FILE, CONTROLS.names, "")

    def held_out(self, columns: Sequence[str], reasons: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The examples of held-out documents batch by batch.

        Args:
            columns: names of `columns.EXAMPLES`.
            reasons: rejected examples are among them that were rejected for one of these; kept ones always are.
        """
        return self._with_rejected("validation", columns, reasons)

    def training(self, columns: Sequence[str], reasons: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Reads the examples that are trained on batch by batch; see `held_out`."""
        return self._with_rejected("train", columns, reasons)

    def _with_rejected(self, split: str, columns: Sequence[str], reasons: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from self.kept_batches(columns, split)
        if not reasons:
            return
        counted = pa.array(reasons, pa.string())
        for batch in self.rejected_batches([*columns, "reason"], split):
            yield batch.filter(pc.is_in(batch["reason"], value_set=counted)).select(list(columns))

    def columns(self) -> pa.Schema:
        """Returns the columns of both files: those of `columns.EXAMPLES`, and the conditions."""
        return pq.read_schema(self.path / KEPT_FILE)

    def form(self) -> Form:
        """Tells what its examples are: all of a folder have one form."""
        return form_of(self.columns().names)

    def conditions(self) -> list[str]:
        """Returns the names of the conditions that examples carry."""
        return condition_names(self.columns())

    def values(self, condition: str) -> tuple[Counter[str], Counter[str]]:
        """Counts the kept and the rejected examples by value of a condition."""
        column = f"{CONDITION_PREFIX}{condition}"
        return _values(self.kept_batches([column])), _values(self.rejected_batches([column]))

    def row(self, sample_id: int) -> dict[str, Any] | None:
        """The example that a sample became, kept (its reason is empty) or rejected; None where it failed before."""
        for file in (KEPT_FILE, REJECTED_FILE):
            rows: list[dict[str, Any]] = self._read(file, None, [("sample_id", "=", sample_id)]).to_pylist()
            if rows:
                return rows[0]
        return None

    def _stream(self, file: str, columns: Sequence[str], split: str) -> Iterator[pa.RecordBatch]:
        # With pre_buffer Arrow reads the whole file ahead.
        with pq.ParquetFile(self.path / file, pre_buffer=False) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=[*columns, *(["split"] if split else [])]):
                rows = batch.filter(pc.equal(batch["split"], split)) if split else batch
                yield rows.select(list(columns))

    def _read(self, file: str, columns: Sequence[str] | None, filters: list[tuple[str, str, Any]] | None) -> pa.Table:
        return read_rows(self.path / file, columns, filters)


def _values(batches: Iterator[pa.RecordBatch]) -> Counter[str]:
    """Counts how often each value of the only column occurs."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update({entry["values"]: entry["counts"] for entry in batch[0].value_counts().to_pylist()})
    return counts
