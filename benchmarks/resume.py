"""Resuming a plan of 100 million samples of which 90 million are committed: time until the first unit can be given out.

    .venv/bin/python benchmarks/resume.py [MILLIONS]

Writes a plan (all its columns, 65,536 rows a file), parts (ids only, since only footers are read) and their manifest
into a temporary folder, then, in a process of its own, does what a start of the samples step does before its engines
get work: takes the folder over, finds what is pending, makes the first unit. No model, no engine. Most rows are in
large parts of a million with holes in their last tenth; the last fifth of the plan has every second row in small parts
of 256 (40,000 of them at full size), as a run leaves them that was killed before they were merged.
Prints `resume value S s (budget 10)`, `resume_memory value GB (budget 1)`, and, for information, how long a reader
takes for the manifest: `resume_manifest value S s`.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import PROMPTS
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.samples.pending import PendingUnits
from engine.storage.ids import Ids, pack_ids
from engine.storage.merging import MERGED_ROWS
from engine.storage.parts import IDS_KEY, read_listing
from engine.storage.parts_log import PartsLog

FILE_ROWS = 1 << 16
PASSAGES = 100_000
SMALL_ROWS = 256
PARTS_PER_ENTRY = 37
"""Small parts that one entry of the manifest adds: what eight engines write in five seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Sets up, measures in a child, prints; fails when a budget is missed."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["measure"]:
        measure(Path(given[1]))
        return 0
    total = int(float(given[0] if given else "100") * 1e6)
    root = Path(tempfile.mkdtemp(prefix="synthmill-resume-"))
    try:
        started = time.monotonic()
        write_documents(root / "documents")
        write_plan(root / "prompts", total)
        committed = write_parts(root / "samples", total)
        print(f"set up {total:,} planned, {committed:,} committed in {time.monotonic() - started:.0f} s")
        command = [sys.executable, __file__, "measure", str(root)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    finally:
        shutil.rmtree(root)
    assert found["committed"] == committed, "the ids that were written are the ids that are found"
    assert found["unit_rows"] > 0, "there is something to give out"
    print(f"resume value {found['seconds']:.2f} s (budget 10)")
    print(f"resume_memory value {found['memory_bytes'] / 1e9:.3f} GB (budget 1)")
    print(f"resume_manifest value {found['manifest_seconds']:.3f} s, {found['parts']:,} parts listed")
    return int(found["seconds"] > 10 or found["memory_bytes"] > 1e9)


def measure(root: Path) -> None:
    """What a start does before its first unit, in this process; prints one JSON object."""
    output = root / "samples"
    started = time.monotonic()
    num_parts = len(read_listing(output).parts)
    manifest_seconds = time.monotonic() - started

    started = time.monotonic()
    plan = PromptsFolder(root / "prompts").plan_files()
    parts = PartsLog.take_over(output, size_of(plan))
    passages = DocumentsFolder(root / "documents").joinable()
    first = next(iter(PendingUnits(plan, parts.committed, passages, 128)))
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    values = {"committed": len(parts.committed), "unit_rows": first.rows.num_rows, "parts": num_parts}
    print(json.dumps(values | {"seconds": seconds, "manifest_seconds": manifest_seconds, "memory_bytes": peak}))


def write_documents(folder: Path) -> None:
    """Short passages: their texts are joined unit by unit and are not what is measured."""
    folder.mkdir(parents=True)
    names = [f"document-{i}" for i in range(PASSAGES)]
    table = pa.table({"passage_id": names, "title": [""] * PASSAGES, "text": [f"text {name}" for name in names]})
    pq.write_table(table, folder / "passages.parquet")


def write_plan(folder: Path, total: int) -> None:
    """Files like those of the prompts step, eight prefixes in turn."""
    folder.mkdir(parents=True)
    passages = pa.array([f"document-{i % PASSAGES}" for i in range(FILE_ROWS)]).dictionary_encode()
    zeros = np.zeros(FILE_ROWS, np.int32)
    prefixes = (np.arange(FILE_ROWS) * 2654435761 % 8).astype(np.int32)
    cells = pa.array(["form=question"]).take(pa.array(zeros))
    shown = pa.array(["4 17 2"]).take(pa.array(zeros))
    columns = [passages.cast(pa.string()), cells, zeros, zeros, prefixes, prefixes, zeros + 700, shown]
    for number, first in enumerate(range(0, total, FILE_ROWS)):
        ids = np.arange(first, min(first + FILE_ROWS, total), dtype=np.int64)
        arrays = [ids, *(column[: len(ids)] for column in columns)]
        chunk = pa.table([pa.array(a).cast(f.type) for a, f in zip(arrays, PROMPTS, strict=True)], schema=PROMPTS)
        pq.write_table(chunk, folder / f"plan-{number:05d}.parquet", compression="zstd")


def write_parts(folder: Path, total: int) -> int:
    """80 % of the plan from its beginning in large parts, each with holes in its last tenth; then the small parts."""
    folder.mkdir(parents=True)
    parts = PartsLog.take_over(folder, total)
    end = int(total * 0.8)
    for first in range(0, end, MERGED_ROWS):
        ids = np.arange(first, min(first + MERGED_ROWS, end), dtype=np.int64)
        ids = ids[(ids - first < len(ids) * 9 // 10) | (ids % 3 > 0)]  # the open parts of engines that were killed
        write_ids(parts.new_part("e0"), ids)
    small = np.arange(end, total, dtype=np.int64)
    small = small[small % 2 > 0]
    for number, first in enumerate(range(0, len(small), SMALL_ROWS)):
        write_ids(parts.new_part("e1"), small[first : first + SMALL_ROWS])
        if number % PARTS_PER_ENTRY == 0:
            parts.list_new()
    parts.list_new()
    return len(parts.committed)


def write_ids(part: Path, ids: Ids) -> None:
    """A part as engine/storage/parts.py writes it, without waiting for the disk."""
    pq.write_table(pa.table({"sample_id": ids}).replace_schema_metadata({IDS_KEY: pack_ids(ids)}), part)


if __name__ == "__main__":
    sys.exit(main())
