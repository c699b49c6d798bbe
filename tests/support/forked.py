"""Forked drivers of the samples step (tests/support/crash_driver.py), and what a samples folder holds afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.prompts import PromptsFolder
from engine.storage.parts import committed_parts
from engine.storage.store import read_record
from tests.support.jobs import TASK, rows
from tests.support.paths import CRASH_POINTS

Row = dict[str, Any]


class ForkedDrivers:
    """A process that forks drivers, one at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CRASH_POINTS.parent / "crash_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(CRASH_POINTS.parents[2])},
        )

    def begin(self, root: Path, settings: dict[str, Any]) -> int:
        """Forks a driver; returns its process id."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"root": str(root), **settings}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self, pid: int) -> int:
        """Waits for a driver's end; returns its wait status."""
        assert self.process.stdout
        status = int(self.process.stdout.readline())
        with pytest.raises(ProcessLookupError):
            os.killpg(pid, 0)  # nothing is left of its process group
        return status

    def run(self, root: Path, settings: dict[str, Any]) -> int:
        """Forks a driver and waits for its end; returns its exit code."""
        return os.waitstatus_to_exitcode(self.end(self.begin(root, settings)))


def write_plan(root: Path, name: str, count: int) -> None:
    """Documents and prompts of `count` samples in three prefixes; a smaller plan is the beginning of a larger one."""
    for noun in ("documents", "prompts"):
        (root / noun / name).mkdir(parents=True)
    plan = pa.concat_tables([rows(min(10, count - first), first // 10 % 3, first) for first in range(0, count, 10)])
    pq.write_table(plan.select(["passage_id", "title", "text"]), root / "documents" / name / "passages.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]), root / "prompts" / name / "plan-00000.parquet")
    PromptsFolder(root / "prompts" / name).write_basis(TASK, [], [])


def rows_of(folder: Path) -> dict[int, Row]:
    """All columns of the rows that count, by id."""
    parts = committed_parts(folder) if folder.exists() else []
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    by_id = {row["sample_id"]: row for row in rows}
    assert len(by_id) == len(rows), "no id in two parts"
    return by_id


def check_complete(folder: Path, before: dict[int, Row], planned: int) -> None:
    """Every planned id once, whoever reads; rows that were there before a kill as they were; sums that add up."""
    files = [pq.read_table(part) for part in folder.resolve().rglob("*.parquet")]
    assert sorted(number for file in files for number in file["sample_id"].to_pylist()) == list(range(planned))
    rows = rows_of(folder)
    assert before.items() <= rows.items(), "committed rows stay as they are"
    record = read_record(folder).record
    assert record["planned"] == planned == record["generated"] + record["failed"]
    assert not list(folder.resolve().rglob("*.tmp"))
