"""Compaction: thousands of small parts become a few large ones, and a kill at any moment loses and doubles nothing.

In: a samples folder in which no engine writes. Out: the same rows in `merged/part-*.parquet`, so that reading a large
folder costs a few open files instead of one per 256 rows. In this order:

1. The merged part is written as `*.tmp`, its footer naming the parts it replaces.
2. It is renamed: from this moment on readers take it and leave out what it replaces (engine/storage/parts.py).
3. The replaced parts are deleted. A kill in between leaves files that nobody reads; the next call deletes them before
   it merges anything, so that no part comes back when the merged part that replaces it is itself replaced.

A name is never used twice, or a new part could pass for a replaced one: attempts are numbered upwards and their
folders stay, and a merged part is only deleted when one with a higher number has replaced it.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from engine.storage.files import fsync_folder
from engine.storage.ids import Ids, pack_ids
from engine.storage.parts import (
    IDS_KEY,
    MERGED,
    REPLACES_KEY,
    committed_parts,
    distinct_ids,
    part_name,
    replaced_parts,
    row_groups,
)

MERGED_ROWS = 1 << 20
"""A merged part holds about this many rows; parts of more than half of it are left as they are."""
_ROW_GROUP_ROWS = 1 << 16
"""Rows of one row group of a merged part: what is in memory at a time while merging."""


def compact(folder: Path, more_than: int = 1, merged_rows: int = MERGED_ROWS) -> None:
    """Merges the small parts of a samples folder into parts of about `merged_rows` rows.

    Args:
        folder: the samples folder; no engine may write in it.
        more_than: as many small parts are left alone, since merging copies their rows.
        merged_rows: a part of at most half of it is small.
    """
    delete_replaced(folder)
    sizes = {part: pq.read_metadata(part).num_rows for part in committed_parts(folder)}
    small = {part: size for part, size in sizes.items() if size <= merged_rows // 2}
    if len(small) <= max(1, more_than):
        return
    merged = folder / MERGED
    merged.mkdir(exist_ok=True)
    fsync_folder(folder)
    number = max((int(part.stem.removeprefix("part-")) for part in merged.glob("part-*.parquet")), default=-1)
    for sources in _groups(small, merged_rows):
        number += 1
        write_merged(merged / f"part-{number:05d}.parquet", sources)
    delete_replaced(folder)


def delete_replaced(folder: Path) -> None:
    """Deletes what merged parts replace, and merged parts that were never finished."""
    touched = set()
    for part in (*replaced_parts(folder), *folder.glob(f"{MERGED}/*.tmp")):
        if part.exists():
            part.unlink()
            touched.add(part.parent)
    for parent in touched:
        fsync_folder(parent)


def _groups(sizes: dict[Path, int], merged_rows: int) -> list[list[Path]]:
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
    """Writes the rows of `sources` as one part that replaces them: the rename commits the one and drops the others.

    About one row group of `part` is in memory at a time.
    """
    ids: list[Ids] = []
    replaces = json.dumps([part_name(source) for source in sources]).encode()
    temporary = part.with_suffix(".parquet.tmp")
    schema = pq.read_schema(sources[0]).remove_metadata()
    with temporary.open("wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for rows in row_groups(sources, _ROW_GROUP_ROWS):
                ids.append(rows["sample_id"].to_numpy())
                writer.write_table(rows)
            packed = base64.b64encode(zlib.compress(replaces))  # readers take values of a footer for text
            all_ids = distinct_ids(part, np.concatenate(ids))
            writer.add_key_value_metadata({IDS_KEY: pack_ids(all_ids), REPLACES_KEY: packed})
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(part)
    fsync_folder(part.parent)
