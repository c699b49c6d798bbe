"""Some rows of many, drawn by a hash of their ids.

In: examples batch by batch. Out: as many as are asked for, the same whatever their order, and how many there were. No
more than those and a batch are ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from engine.text.hashes import mix


def draw_rows(batches: Iterable[pa.RecordBatch], limit: int, stream: int, schema: pa.Schema) -> tuple[pa.Table, int]:
    """Draws rows, and counts what there is to draw from.

    Args:
        batches: with the columns of `schema`.
        limit: most rows to draw; 0 takes all.
        stream: keeps the draw independent of other draws that depend on a sample's id.
        schema: columns of the result; one of them is `sample_id`.

    Returns:
        The rows by `sample_id`, and the number of all.
    """
    taken, total = pa.schema([*schema, ("draw", pa.uint64())]).empty_table(), 0
    for batch in batches:
        total += len(batch)
        draws = mix(batch["sample_id"].to_numpy().astype(np.uint64), 0, stream)
        rows = pa.Table.from_batches([batch]).select(schema.names).append_column("draw", pa.array(draws))
        taken = pa.concat_tables([taken, rows.cast(taken.schema)])
        if limit:
            taken = taken.sort_by("draw").slice(0, limit).combine_chunks()
    return taken.drop_columns(["draw"]).sort_by("sample_id"), total
