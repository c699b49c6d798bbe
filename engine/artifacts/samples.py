"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX, SAMPLES
from engine.storage.parts import committed_parts


def samples_schema(conditions: Sequence[str], answers: Sequence[pa.Field] = ()) -> pa.Schema:
    """The schema of samples: a string column per condition, and what the turns add (`turns.answer_columns`)."""
    return pa.schema([*SAMPLES, *((f"{CONDITION_PREFIX}{name}", pa.string()) for name in conditions), *answers])


def read_samples(folder: Path) -> pa.Table:
    """All committed samples of a samples folder, one row per `sample_id`, sorted by it.

    Columns: `records.SAMPLES` and the `condition_*` columns of the plan.
    """
    parts = committed_parts(folder)
    assert parts, f"{folder} holds no committed part"
    table = pa.concat_tables([pq.read_table(part) for part in parts], promote_options="default")
    table = table.replace_schema_metadata(None).sort_by("sample_id")
    assert (np.diff(table["sample_id"].to_numpy()) > 0).all(), f"{folder} holds a sample twice"
    return table
