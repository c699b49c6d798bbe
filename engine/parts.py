"""Committed parts: how samples reach the disk exactly once, however often the run is killed.

    samples/attempt-0001/part-e0-00000.parquet      sealed: an earlier start of the driver
    samples/attempt-0002.open/part-e1-00003.parquet open: engines of this start still commit here

An engine writes `*.tmp`, fsyncs, and renames into the open folder; the rename is the commit. A driver that
starts seals every open folder by renaming it, and only then reads what is committed: an engine left over from
a killed driver finds its folder gone and cannot commit any more, so no id can be written twice. Each part
carries its ids, compressed, in its footer: resuming reads footers, never rows.
"""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from engine.records import CONDITION_PREFIX, SAMPLES

Ids = npt.NDArray[np.int64]

_IDS_KEY = b"synthmill.sample_ids"
_ATTEMPT = re.compile(r"attempt-(\d+)(\.open)?$")


class FencedError(RuntimeError):
    """A newer start of the driver has taken over; this engine must stop without committing."""


def seal_attempts(folder: Path) -> int:
    """Fences off the engines of earlier starts and clears what they left half-written.

    Returns:
        The number of this start: one more than the highest there is.
    """
    highest = 0
    for path in sorted(folder.iterdir()):
        match = _ATTEMPT.match(path.name)
        if not match:
            continue
        highest = max(highest, int(match[1]))
        sealed = path.rename(path.with_suffix("")) if match[2] else path
        for leftover in sealed.glob("*.tmp"):
            leftover.unlink()
    return highest + 1


def open_attempt(folder: Path, attempt: int) -> Path:
    """Makes the folder into which the engines of this start commit."""
    path = folder / f"attempt-{attempt:04d}.open"
    path.mkdir()
    return path


class PartWriter:
    """The one open part of one engine: rows in completion order, committed together."""

    def __init__(self, attempt_folder: Path, engine: int, schema: pa.Schema, first_number: int = 0) -> None:
        self._folder, self._engine, self._schema = attempt_folder, engine, schema
        self._number = first_number
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row to the open part."""
        self._rows.append(row)

    def commit(self) -> Path | None:
        """Makes the open part count, and opens the next.

        Returns:
            The part, or None when the open part is empty.

        Raises:
            FencedError: another start of the driver has sealed this attempt.
        """
        if not self._rows:
            return None
        part = self._folder / f"part-e{self._engine}-{self._number:05d}.parquet"
        assert not part.exists(), f"part {part} exists: two engines share the number {self._engine}"
        try:
            write_part(part, pa.Table.from_pylist(self._rows, schema=self._schema))
        except FileNotFoundError as error:
            raise FencedError(f"{self._folder} was sealed by a newer start of the driver") from error
        self._number += 1
        self._rows = []
        return part


def write_part(part: Path, table: pa.Table) -> None:
    """Writes one Parquet file with its ids in the footer: `*.tmp`, fsync, rename, fsync of the folder."""
    ids = np.sort(table["sample_id"].to_numpy())
    assert len(np.unique(ids)) == len(ids), f"part {part.name} holds an id twice"
    temporary = part.with_suffix(".parquet.tmp")
    metadata = (table.schema.metadata or {}) | {_IDS_KEY: pack_ids(ids)}
    with temporary.open("wb") as stream:
        pq.write_table(table.replace_schema_metadata(metadata), stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(part)
    descriptor = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pack_ids(ids: Ids) -> bytes:
    """Sorted ids as compressed differences; neighbours cost a fraction of a byte."""
    gaps = np.diff(ids, prepend=np.int64(0))
    return base64.b64encode(zlib.compress(gaps.astype("<i8").tobytes(), 6))


def unpack_ids(packed: bytes) -> Ids:
    """The inverse of `pack_ids`."""
    gaps = np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="<i8")
    return np.cumsum(gaps, dtype=np.int64)


def part_ids(part: Path) -> Ids:
    """The sample ids of a committed part, from its footer alone."""
    metadata = pq.read_metadata(part).metadata
    assert _IDS_KEY in (metadata or {}), f"{part} has no ids in its footer"
    return unpack_ids(metadata[_IDS_KEY])


def committed_parts(folder: Path) -> list[Path]:
    """All committed parts of a samples folder, in name order."""
    return sorted(folder.glob("attempt-*/part-*.parquet"))


def committed_ids(parts: Iterable[Path]) -> Ids:
    """Sorted ids of all rows in `parts`; an id in two of them is a broken invariant."""
    found = [part_ids(part) for part in parts]
    ids = np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
    assert (np.diff(ids) > 0).all(), f"sample {ids[:-1][np.diff(ids) == 0][:1]} is in two committed parts"
    return ids


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
