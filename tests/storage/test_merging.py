"""Compaction: the same rows in fewer files, whatever moment it is killed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.storage import parts_log
from engine.storage.merging import compact
from engine.storage.parts import committed_parts, committed_set, part_ids
from tests.support.committed import begin, commit
from tests.support.kills import Killed, killing_at


def fill(folder: Path, attempts: int = 3, parts: int = 4, rows: int = 5) -> list[dict[str, Any]]:
    """Writes `attempts * parts` parts with interleaved ids; returns all rows by id."""
    number = 0
    for _ in range(attempts):
        start = begin(folder)
        for part in range(parts):
            commit(start, [number + parts * attempts * row for row in range(rows)], engine=0, number=part)
            number += 1
    return SamplesFolder(folder).rows().to_pylist()


def raw_ids(folder: Path) -> list[int]:
    """Every id of every Parquet file there is, whether or not it counts."""
    return sorted(
        number for part in folder.rglob("*.parquet") for number in pq.read_table(part)["sample_id"].to_pylist()
    )


def test_many_small_parts_become_few_large_ones(tmp_path: Path) -> None:
    rows = fill(tmp_path)
    compact(begin(tmp_path), merged_rows=25)
    assert [len(part_ids(part)) for part in committed_parts(tmp_path)] == [25, 25, 10]
    assert SamplesFolder(tmp_path).rows().to_pylist() == rows
    assert len(committed_set(committed_parts(tmp_path), 60)) == 60
    assert raw_ids(tmp_path) == list(range(60)), "the small parts are gone"


def test_single_parts_and_large_parts_stay(tmp_path: Path) -> None:
    fill(tmp_path)
    before = committed_parts(tmp_path)
    compact(begin(tmp_path), merged_rows=9)
    assert committed_parts(tmp_path) == before, "parts of more than half the size are left"
    compact(begin(tmp_path))
    after = committed_parts(tmp_path)
    assert len(after) == 1
    compact(begin(tmp_path))
    assert committed_parts(tmp_path) == after, "one part is left as it is"


def test_merged_parts_are_merged_again_under_a_new_name(tmp_path: Path) -> None:
    fill(tmp_path)
    parts = begin(tmp_path)
    compact(parts)
    [first] = committed_parts(tmp_path)
    commit(parts, [60, 61])
    compact(parts)
    assert raw_ids(tmp_path) == list(range(62))
    [second] = committed_parts(tmp_path)
    assert (first.name, second.name) == ("part-merged-00000.parquet", "part-merged-00001.parquet")


def test_a_kill_at_any_file_operation_loses_and_doubles_nothing(tmp_path: Path) -> None:
    call = 0
    while True:
        folder = tmp_path / str(call)
        rows = fill(folder, attempts=2, parts=3, rows=10)
        try:
            with killing_at(call):
                compact(begin(folder), merged_rows=30)
            break
        except Killed:
            pass
        assert SamplesFolder(folder).rows().to_pylist() == rows, f"killed before file operation {call}"
        try:
            with killing_at(call // 2):  # and again, somewhere earlier in the next start
                compact(begin(folder), merged_rows=30)
        except Killed:
            pass
        assert SamplesFolder(folder).rows().to_pylist() == rows
        compact(begin(folder), merged_rows=30)
        assert SamplesFolder(folder).rows().to_pylist() == rows
        assert raw_ids(folder) == list(range(60))
        call += 1
    assert call >= 30, "two merged parts, each written, listed, and six deletions"


def test_what_a_kill_leaves_of_the_deletions_comes_back_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = fill(tmp_path)
    deleted: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(parts_log, "delete_files", deleted.extend)
        compact(begin(tmp_path))
    assert len(raw_ids(tmp_path)) == 120
    assert SamplesFolder(tmp_path).rows().to_pylist() == rows
    deleted[-1].unlink()
    parts = begin(tmp_path)
    assert raw_ids(tmp_path) == list(range(60)), "the next start deletes the rest"
    commit(parts, [60])
    compact(parts)
    assert raw_ids(tmp_path) == list(range(61))
