"""Reads the examples that a model is measured on.

In: an examples folder. Out: as many of its rows as are asked for, drawn by a hash of their ids, and how many there
were. No more than those and a batch are ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import FIELDS

HELD_OUT_SPLIT, TRAIN_SPLIT = "validation", "train"
"""The splits of an examples folder."""
_STREAM = 0x67697665
"""Keeps this draw independent of other draws by a sample's id."""


def draw_examples(
    folder: ExamplesFolder,
    columns: Sequence[str],
    split: str,
    limit: int,
    chosen: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
) -> tuple[pa.Table, int]:
    """Draws kept examples.

    Args:
        folder: the finished folder.
        columns: names of `FIELDS`.
        split: one of the two; "" takes both.
        limit: most rows to take; 0 takes all.
        chosen: returns the rows of a batch that count; None counts all.

    Returns:
        The rows in the order of their ids, with the columns `sample_id` and `document_id` before the named ones, and
        the number of all rows of the split that count.
    """
    large = {pa.string(): pa.large_string(), pa.list_(pa.string()): pa.list_(pa.large_string())}
    ids = [("sample_id", pa.int64()), ("document_id", pa.large_string())]
    schema = pa.schema([*ids, *((name, large.get(FIELDS[name], FIELDS[name])) for name in columns)])
    batches = folder.kept_batches(schema.names, split)
    return draw_rows(map(chosen, batches) if chosen else batches, limit, _STREAM, schema)
