"""Compaction: the same rows in fewer files, whatever moment it is killed at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.storage import merging
from engine.storage.merging import compact, delete_replaced
from engine.storage.parts import committed_parts, committed_set, open_attempt, part_ids, replaced_parts, seal_attempts
from tests.support.committed import commit


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it happens."""


def fill(folder: Path, attempts: int = 3, parts: int = 4, rows: int = 5) -> list[dict[str, Any]]:
    """Writes `attempts * parts` parts with interleaved ids; returns all rows by id."""
    number = 0
    for _ in range(attempts):
        attempt = open_attempt(folder, seal_attempts(folder))
        for part in range(parts):
            commit(attempt, [number + parts * attempts * row for row in range(rows)], engine=0, number=part)
            number += 1
    seal_attempts(folder)
    return SamplesFolder(folder).rows().to_pylist()


def raw_ids(folder: Path) -> list[int]:
    """Every id of every Parquet file there is, replaced or not."""
    return sorted(
        number for part in folder.rglob("*.parquet") for number in pq.read_table(part)["sample_id"].to_pylist()
    )


def test_many_small_parts_become_few_large_ones(tmp_path: Path) -> None:
    rows = fill(tmp_path)
    compact(tmp_path, merged_rows=25)
    assert [len(part_ids(part)) for part in committed_parts(tmp_path)] == [25, 25, 10]
    assert SamplesFolder(tmp_path).rows().to_pylist() == rows
    assert len(committed_set(committed_parts(tmp_path), 60)) == 60
    assert raw_ids(tmp_path) == list(range(60)), "the small parts are gone"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "attempt-0001",
        "attempt-0002",
        "attempt-0003",
        "merged",
    ]
    assert seal_attempts(tmp_path) == 4, "numbers of starts go on: a name that was replaced is never used again"


def test_few_parts_and_large_parts_stay(tmp_path: Path) -> None:
    fill(tmp_path)
    before = committed_parts(tmp_path)
    compact(tmp_path, more_than=12)
    assert committed_parts(tmp_path) == before
    compact(tmp_path, merged_rows=9)
    assert committed_parts(tmp_path) == before, "parts of more than half the size are left"
    compact(tmp_path, more_than=11)
    assert len(committed_parts(tmp_path)) == 1


def test_merged_parts_are_merged_again(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path)
    commit(open_attempt(tmp_path, seal_attempts(tmp_path)), [60, 61])
    seal_attempts(tmp_path)
    compact(tmp_path)
    assert [part.name for part in committed_parts(tmp_path)] == ["part-00001.parquet"]
    assert raw_ids(tmp_path) == list(range(62))
    compact(tmp_path)
    assert [part.name for part in committed_parts(tmp_path)] == ["part-00001.parquet"], "one part is left as it is"


def killed_at(call: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> bool:
    """Compacts and dies before file operation number `call`; False when there are fewer."""
    calls = 0

    def counting(operation: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Path, *arguments: object, **options: object) -> Any:
            nonlocal calls
            if self.suffix in {".parquet", ".tmp"}:
                calls += 1
                if calls > call:
                    raise Killed
            return operation(self, *arguments, **options)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("rename", "unlink", "open"):
            patch.setattr(Path, name, counting(getattr(Path, name)))
        try:
            compact(folder, merged_rows=30)
        except Killed:
            return True
    return False


def test_a_kill_at_any_file_operation_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = 0
    while True:
        folder = tmp_path / str(call)
        folder.mkdir()
        rows = fill(folder, attempts=2, parts=3, rows=10)
        if not killed_at(call, monkeypatch, folder):
            break
        assert SamplesFolder(folder).rows().to_pylist() == rows, f"killed before file operation {call}"
        assert len(committed_set(committed_parts(folder), 60)) == 60
        killed_at(call // 2, monkeypatch, folder)  # and again, somewhere earlier in the next start
        assert SamplesFolder(folder).rows().to_pylist() == rows
        seal_attempts(folder)
        compact(folder, merged_rows=30)
        assert SamplesFolder(folder).rows().to_pylist() == rows
        assert raw_ids(folder) == list(range(60))
        call += 1
    assert call >= 10, "at least two merged parts, each opened and renamed, and six deletions"


def test_a_kill_in_the_middle_of_the_deletions_brings_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = fill(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(merging, "delete_replaced", lambda _: None)
        compact(tmp_path)
    assert len(raw_ids(tmp_path)) == 120
    left = replaced_parts(tmp_path)
    assert len(left) == 12
    left[0].unlink()
    assert SamplesFolder(tmp_path).rows().to_pylist() == rows
    commit(open_attempt(tmp_path, seal_attempts(tmp_path)), [60])
    seal_attempts(tmp_path)
    compact(tmp_path)
    assert raw_ids(tmp_path) == list(range(61))
    delete_replaced(tmp_path)
    assert raw_ids(tmp_path) == list(range(61))
