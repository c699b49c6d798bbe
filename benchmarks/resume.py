"""Resuming a plan of 100 million samples of which 90 million are committed: time until the first unit can be given out.

    .venv/bin/python benchmarks/resume.py [MILLIONS]

Writes a plan (all its columns, 65,536 rows a file) and parts (ids only, since only footers are read) into a temporary
folder, then, in a process of its own, does what a start of the samples step does before its engines get work: seals,
reads what is committed, finds what is pending, makes the first unit. No model, no engine. Most parts are large ones of
a million rows with holes in their last tenth; 900 small ones with every third id of their range lie behind them, as a
run leaves them that was killed before they were merged.
Prints `resume value S s (budget 10)` and `resume_memory value GB (budget 1)`.
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
from engine.samples.pending import pending_units
from engine.storage.merging import MERGED_ROWS, compact
from engine.storage.parts import committed_parts, committed_set, open_attempt, seal_attempts, write_part

FILE_ROWS = 1 << 16
PASSAGES = 100_000
SMALL_PARTS, SMALL_ROWS = 900, 256


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
    return int(found["seconds"] > 10 or found["memory_bytes"] > 1e9)


def measure(root: Path) -> None:
    """What a start does before its first unit, in this process; prints one JSON object."""
    started = time.monotonic()
    output = root / "samples"
    seal_attempts(output)
    plan = PromptsFolder(root / "prompts").plan_files()
    committed = committed_set(committed_parts(output), size_of(plan))
    passages = DocumentsFolder(root / "documents").texts()
    compact(output, more_than=1000)
    first = next(pending_units(plan, committed, passages, 128))
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    values = {"committed": len(committed), "unit_rows": first.rows.num_rows}
    print(json.dumps(values | {"seconds": seconds, "memory_bytes": peak}))


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
    """90 % of the plan from its beginning in large parts, each with holes in its last tenth; then the small parts."""
    folder.mkdir(parents=True)
    attempt = open_attempt(folder, 1)
    written = 0
    end = int(total * 0.9)
    for number, first in enumerate(range(0, end, MERGED_ROWS)):
        ids = np.arange(first, min(first + MERGED_ROWS, end), dtype=np.int64)
        ids = ids[(ids - first < len(ids) * 9 // 10) | (ids % 3 > 0)]  # the open parts of engines that were killed
        write_part(attempt / f"part-e0-{number:05d}.parquet", pa.table({"sample_id": ids}))
        written += len(ids)
    for number in range(SMALL_PARTS):
        ids = end + 3 * np.arange(number * SMALL_ROWS, (number + 1) * SMALL_ROWS, dtype=np.int64)
        ids = ids[ids < total]
        if not len(ids):
            break
        write_part(attempt / f"part-e1-{number:05d}.parquet", pa.table({"sample_id": ids}))
        written += len(ids)
    return written


if __name__ == "__main__":
    sys.exit(main())
