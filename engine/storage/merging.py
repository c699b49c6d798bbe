"""Compaction: thousands of small parts become a few large ones, and a kill at any moment loses and doubles nothing.

In: the parts of a samples folder that count. Out: the same rows in `attempt-*/part-merged-*.parquet`, so that reading a
large folder costs a few open files instead of one per 256 rows. In this order:

1. The merged part is written, as any part is. It is not listed, so nobody reads it.
2. One entry of the manifest lists it and drops those whose rows it holds: the commit.
3. The dropped parts are deleted. What a kill leaves of them is not listed; the next start deletes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from engine.storage.files import fsync_folder
from engine.storage.ids import Ids, pack_ids
from engine.storage.parts import IDS_KEY, distinct_ids, row_groups
from engine.storage.parts_log import PartsLog

MERGED_ROWS = 1 << 20
"""A merged part holds about this many rows; parts of more than half of it are left as they are."""
_ROW_GROUP_ROWS = 1 << 16
"""Rows of one row group of a merged part: what is in memory at a time while merging."""
_WRITER = "merged"


def compact(parts: PartsLog, merged_rows: int = MERGED_ROWS) -> None:
    """Merges the small parts of a samples folder into parts of about `merged_rows` rows.

    Args:
        parts: the folder, whose present start this is.
        merged_rows: a part of at most half of it is small.
    """
    small = {part: rows for part, rows in parts.parts.items() if rows <= merged_rows // 2}
    for sources in _groups(small, merged_rows):
        merged = parts.new_part(_WRITER)
        write_merged(merged, sources)
        parts.put_in_place(merged, sum(small[source] for source in sources), sources)


def _groups(sizes: Mapping[Path, int], merged_rows: int) -> list[list[Path]]:
    """Cuts parts, in their order, into groups of about `merged_rows` rows; a group of a single part is left out."""
    groups: list[list[Path]] = [[]]
    rows = 0
    for part, size in sizes.items():
        if rows + size > merged_rows and groups[-1]:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += size
    return [group for group in groups if len(group) > 1]


def write_merged(part: Path, sources: Sequence[Path]) -> None:
    """Writes the rows of `sources` as one part; about one row group of it is in memory at a time."""
    ids: list[Ids] = []
    temporary = part.with_suffix(".parquet.tmp")
    schema = pq.read_schema(sources[0]).remove_metadata()
    with temporary.open("wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for rows in row_groups(sources, _ROW_GROUP_ROWS):
                ids.append(rows["sample_id"].to_numpy())
                writer.write_table(rows)
            writer.add_key_value_metadata({IDS_KEY: pack_ids(distinct_ids(part, np.concatenate(ids)))})
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(part)
    fsync_folder(part.parent)
