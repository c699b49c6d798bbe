"""One start on a samples folder: what it lists, what it takes over, whom it shuts out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.storage import parts_log
from engine.storage.ids import IdSet
from engine.storage.manifest import FencedError, Manifest
from engine.storage.merging import compact
from engine.storage.parts import committed_ids, committed_parts, part_name, read_listing, write_part
from engine.storage.parts_log import PartsLog, read_committed
from tests.support.committed import SCHEMA, SIZE, begin, commit, row, write


def ids(folder: Path) -> list[int]:
    """What readers see; an id twice is an error."""
    return committed_ids(committed_parts(folder)).tolist()


def write_late(attempt: Path, numbers: list[int], engine: int, number: int) -> Path:
    """What an engine writes that does not know of anything newer."""
    part = attempt / f"part-e{engine}-{number:05d}.parquet"
    write_part(part, pa.Table.from_pylist([row(sample) for sample in numbers], schema=SCHEMA))
    return part


def test_starts_are_numbered_and_each_has_a_folder(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    for number in (1, 2, 3):
        parts = begin(tmp_path)
        assert parts.start == number
        assert parts.attempt_folder == tmp_path / f"attempt-000{number}"
        assert parts.attempt_folder.is_dir()
    assert ids(tmp_path) == []


def test_a_start_lists_what_the_last_one_had_not(tmp_path: Path) -> None:
    first = begin(tmp_path)
    commit(first, [1, 2])
    write(first.attempt_folder, [3], number=1)
    write(first.attempt_folder, [4, 5], engine=1)
    assert ids(tmp_path) == [1, 2]
    second = begin(tmp_path)
    assert ids(tmp_path) == [1, 2, 3, 4, 5]
    assert len(second.committed) == 5
    assert sum(second.parts.values()) == 5


def test_what_an_older_start_writes_after_that_never_counts(tmp_path: Path) -> None:
    first = begin(tmp_path)
    commit(first, [1])
    second = begin(tmp_path)
    late = write_late(first.attempt_folder, [2, 3], 0, 1)
    commit(second, [2])
    assert ids(tmp_path) == [1, 2]
    third = begin(tmp_path)
    assert ids(tmp_path) == [1, 2]
    assert not late.exists(), "a start clears away what never counts"
    assert len(third.committed) == 2


def test_a_driver_that_lost_its_lock_is_fenced(tmp_path: Path) -> None:
    old = begin(tmp_path)
    commit(old, [1])
    new = begin(tmp_path)
    write_late(old.attempt_folder, [2], 0, 1)
    with pytest.raises(FencedError, match="another start of this run has taken over") as caught:
        old.list_new()
    assert isinstance(caught.value, UserError)
    with pytest.raises(FencedError):
        old.close_engine(0)
    with pytest.raises(FencedError):
        old.put_in_place(old.new_part("merged"), 1, list(old.parts))
    commit(new, [2, 3])
    assert ids(tmp_path) == [1, 2, 3]


def test_a_fenced_driver_clears_nothing_away(tmp_path: Path) -> None:
    old, new = begin(tmp_path), begin(tmp_path)
    for folder in (tmp_path, new.attempt_folder):
        (folder / "half-written.json.7.tmp").write_text("{")
    with pytest.raises(FencedError):
        old.clear()
    assert len(list(tmp_path.rglob("half-written*"))) == 2, "the newer start is about to rename them"


def test_a_driver_that_writes_while_another_takes_over_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = begin(tmp_path)
    append, times = Manifest.append, []

    def old_is_quicker(manifest: Manifest, number: int, entry: object) -> bool:
        if not times:
            times.append(number)
            commit(old, [1, 2])
        return append(manifest, number, entry)  # type: ignore[arg-type]  # as it was given

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "append", old_is_quicker)
        new = begin(tmp_path)
    assert (new.start, len(new.committed)) == (2, 2)
    assert ids(tmp_path) == [1, 2]


def test_a_driver_that_merges_while_another_takes_over_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = begin(tmp_path)
    for number in range(3):
        commit(old, [number], number=number)
    read, times = read_committed, []

    def old_merges(*arguments: Any) -> IdSet:
        if not times:
            times.append(1)
            compact(old)
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(parts_log, "read_committed", old_merges)
        new = begin(tmp_path)
    assert len(new.committed) == 3
    assert ids(tmp_path) == [0, 1, 2]
    next(iter(new.parts)).unlink()
    commit(new, [5])
    (new.attempt_folder / "part-e0-00000.parquet").unlink()
    with pytest.raises(FileNotFoundError):
        begin(tmp_path)  # what the manifest lists was deleted by hand, and no newer entry explains it


def test_many_starts_leave_a_short_manifest(tmp_path: Path) -> None:
    for number in range(9):
        commit(begin(tmp_path), [number])
    assert len(list((tmp_path / "manifest").iterdir())) <= 4
    assert ids(tmp_path) == list(range(9))


def test_two_engines_that_both_own_a_unit(tmp_path: Path) -> None:
    """The first was out of reach, its rows were handed on, and it comes back and goes on writing."""
    parts = begin(tmp_path)
    commit(parts, [0, 1], engine=0)
    write(parts.attempt_folder, [2], engine=0, number=1)
    assert parts.close_engine(0).tolist() == [0, 1, 2], "what it has written by now, listed or not"
    write(parts.attempt_folder, [3, 4], engine=0, number=2)
    commit(parts, [3, 4, 5], engine=1)
    write(parts.attempt_folder, [5, 6], engine=0, number=3)
    parts.list_new()
    assert ids(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert parts.close_engine(1).tolist() == [3, 4, 5]
    assert parts.close_engine(7).tolist() == [], "an engine that wrote nothing"
    begin(tmp_path)
    assert ids(tmp_path) == [0, 1, 2, 3, 4, 5], "nor does the next start take it"


def test_a_part_with_an_id_that_counts_is_left_out_whole(tmp_path: Path) -> None:
    first = begin(tmp_path)
    commit(first, [1, 2], engine=0)
    write(first.attempt_folder, [2, 3], engine=1)
    first.list_new()
    assert ids(tmp_path) == [1, 2]
    (first.attempt_folder / "part-e2-00000.parquet").write_bytes(b"PAR1 and no more")
    second = begin(tmp_path)
    assert ids(tmp_path) == [1, 2]
    assert second.committed.contains(np.array([1, 2, 3])).tolist() == [True, True, False]
    assert sorted(path.name for path in first.attempt_folder.iterdir()) == ["part-e0-00000.parquet"]


def test_snapshots_keep_reading_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_log, "_SNAPSHOT_ENTRIES", 5)
    parts = begin(tmp_path)
    for number in range(23):
        commit(parts, [number, 100 + number], number=number)
        listing = read_listing(tmp_path)
        assert len(listing.parts) == number + 1
        assert len(read_committed(tmp_path, listing, SIZE)) == 2 * (number + 1)
        assert len(list((tmp_path / "manifest").iterdir())) <= 10
    parts.close_engine(0)
    for number in range(7):
        commit(parts, [number + 500], engine=1, number=number)
    assert read_listing(tmp_path).closed == {"e0"}, "what is closed stays so over snapshots"
    write(parts.attempt_folder, [900], engine=0, number=23)
    parts.list_new()
    assert len(begin(tmp_path).committed) == 2 * 23 + 7


def test_a_start_reads_only_the_footers_that_no_snapshot_covers(tmp_path: Path) -> None:
    first = begin(tmp_path)
    old = commit(first, [1, 2])
    begin(tmp_path)
    old.write_bytes(b"nobody opens this")
    third = begin(tmp_path)
    assert third.committed.contains(np.array([0, 1, 2, 3])).tolist() == [False, True, True, False]
    assert len(third.committed) == 2


def test_a_merged_part_takes_the_place_of_others_in_one_write(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    sources = [commit(parts, [1, 2]), commit(parts, [3], number=1)]
    other = commit(parts, [9], engine=1)
    merged = parts.new_part("merged")
    write_part(merged, pa.Table.from_pylist([row(number) for number in (1, 2, 3)], schema=SCHEMA))
    before = read_listing(tmp_path).number
    parts.put_in_place(merged, 3, sources)
    assert read_listing(tmp_path).number == before + 1
    assert committed_parts(tmp_path) == [other, merged]
    assert not any(source.exists() for source in sources)
    assert parts.new_part("merged") != merged
    assert [part_name(part) for part in begin(tmp_path).parts] == [part_name(other), part_name(merged)]


def test_listing_has_its_time(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    write(parts.attempt_folder, [1])
    parts.list_new(every_seconds=3600)
    assert ids(tmp_path) == []
    parts.list_new(every_seconds=0)
    assert ids(tmp_path) == [1]


def test_parts_that_a_network_file_system_shows_late_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, late = begin(tmp_path), [[1, 2], [3]]
    write(parts.attempt_folder, [0])

    def shown(seconds: float) -> None:
        write(parts.attempt_folder, late.pop(0), engine=1, number=2 - len(late))

    monkeypatch.setattr(parts_log.time, "sleep", shown)
    parts.list_rest(4)
    assert ids(tmp_path) == [0, 1, 2, 3]
    monkeypatch.setattr(parts_log, "_LATE_SECONDS", 0.0)
    parts.list_rest(5)
    assert (ids(tmp_path), late) == ([0, 1, 2, 3], []), "what is missing then is told by the count at the end"


def test_a_folder_of_an_older_version_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "attempt-0001.open").mkdir()
    with pytest.raises(UserError, match="by an older version of synthmill"):
        PartsLog.take_over(tmp_path, SIZE)
