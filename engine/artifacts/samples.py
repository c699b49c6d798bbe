"""What a finished samples folder holds, and how it is read.

    manifest/*.json             which parts count (engine/storage/manifest.py)
    attempt-*/part-*.parquet    parts (`columns.SAMPLES`, engine/storage/parts.py)
    attempt-*/attempt.json      what the engines of that start did

In: the folder. Out: its rows, each planned `sample_id` exactly once. Beside the parts that count there may be others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX, SAMPLES
from engine.errors import BrokenInvariantError
from engine.storage.parts import committed_parts
from engine.storage.store import read_record
from engine.storage.tables import read_rows
from engine.storage.typed import from_json_values


@dataclass(frozen=True)
class Rates:
    """How fast engines wrote, over all starts of a samples step: from first admitted request to last committed row."""

    samples_per_second: float
    prompt_tokens_per_second: float
    output_tokens_per_second: float
    prefix_cache_hit_rate: float
    """Share of prompt tokens that the prefix cache answered, by the engine's own counters."""
    requests: int
    engine_start_seconds: float
    """The longest start of an engine."""
    seconds: float


@dataclass(frozen=True)
class EngineTime:
    """Time of processors; what engines held while they worked is from their first request to their last row."""

    cpu_seconds: float
    """Summed over the cores of each engine."""
    gpu_seconds: float
    """Summed over the GPUs of each engine."""


@dataclass(frozen=True)
class SamplesRecord:
    """What the samples step did; planned = generated + failed."""

    planned: int
    generated: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    carried: int
    """Rows that were taken over from an earlier samples folder."""
    turned_down: int
    """Of those that failed: turned down by a turn's `keep_if`."""
    generation: Rates
    cost: EngineTime
    idle: EngineTime | None = None
    """What engines held without work until the last committed row of all of them, loading included; None in records
    from before that was measured."""


@dataclass(frozen=True)
class SamplesFolder:
    """A samples folder."""

    path: Path

    def record(self) -> SamplesRecord:
        """Reads what the step recorded."""
        return from_json_values(SamplesRecord, read_record(self.path).record)

    def parts(self) -> list[Path]:
        """Returns the parts that count, in the order of their names.

        Raises:
            UserError: an older version wrote the folder.
        """
        return committed_parts(self.path)

    def rows(self) -> pa.Table:
        """Returns all committed samples, one row per `sample_id`, sorted by it, their texts as large strings.

        Columns: `columns.SAMPLES`, the plan's `condition_*`, and what the turns of the task add.

        Raises:
            BrokenInvariantError: no part counts, or a sample is there twice.
            UserError: an older version wrote the folder.
        """
        parts = self.parts()
        if not parts:
            raise BrokenInvariantError(f"{self.path} holds no committed part")
        table = pa.concat_tables([read_rows(part) for part in parts], promote_options="default")
        table = table.replace_schema_metadata(None).sort_by("sample_id")
        if not (np.diff(table["sample_id"].to_numpy()) > 0).all():
            raise BrokenInvariantError(f"{self.path} holds a sample twice")
        return table

    def row(self, sample_id: int) -> dict[str, Any] | None:
        """Returns one sample as a mapping, without reading the others; None where it is not committed."""
        for part in self.parts():
            rows: list[dict[str, Any]] = pq.read_table(part, filters=[("sample_id", "=", sample_id)]).to_pylist()
            if rows:
                return rows[0]
        return None


def samples_schema(conditions: Sequence[str], answers: Sequence[pa.Field] = ()) -> pa.Schema:
    """Makes the schema of samples: a string column per condition, and what the turns add (`answers.answer_columns`)."""
    return pa.schema([*SAMPLES, *((f"{CONDITION_PREFIX}{name}", pa.string()) for name in conditions), *answers])
