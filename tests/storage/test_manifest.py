"""The manifest: one driver at a time lengthens it, readers follow it, and it stays short."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from pathlib import Path

import pytest

from engine.errors import BrokenInvariantError, UserError
from engine.storage.manifest import Entry, FencedError, Manifest

FIRST = Entry(1, {"a": 3}, snapshot=True, ids="packed")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path)


def test_entries_add_up(manifest: Manifest) -> None:
    assert manifest.read().number == 0
    assert manifest.append(1, FIRST)
    assert manifest.append(2, Entry(1, {"b": 4, "c": 5}))
    assert manifest.append(3, Entry(1, {"m": 7}, drops=["a", "b"], closes=["e1"]))
    listing = manifest.read()
    assert (listing.number, listing.start, listing.snapshot) == (3, 1, 1)
    assert listing.parts == {"c": 5, "m": 7}
    assert (listing.closed, listing.ids, listing.covered) == ({"e1"}, "packed", {"a"})


def test_whoever_may_read_the_folder_may_read_its_entries(manifest: Manifest) -> None:
    before = os.umask(0o022)
    try:
        manifest.append(1, FIRST)
    finally:
        os.umask(before)
    [entry] = manifest.path.iterdir()
    assert entry.stat().st_mode & 0o777 == 0o644


def test_a_snapshot_replaces_what_came_before(manifest: Manifest) -> None:
    manifest.append(1, FIRST)
    manifest.append(2, Entry(1, {"b": 4}, closes=["e1"]))
    manifest.append(3, Entry(2, {"z": 1}, snapshot=True))
    listing = manifest.read()
    assert (listing.parts, listing.closed, listing.start, listing.ids) == ({"z": 1}, set(), 2, "")


def test_a_number_is_given_once(manifest: Manifest) -> None:
    assert manifest.append(1, FIRST)
    assert not manifest.append(1, Entry(7, snapshot=True))
    assert manifest.read().start == 1
    assert manifest.append(5, Entry(7, snapshot=True))
    assert not manifest.append(2, Entry(1, {"late": 1})), "a free number below the last is no sign of owning the folder"
    assert [file.name for file in manifest.path.iterdir() if file.suffix == ".tmp"] == []


class Overtaken(Manifest):
    """A driver that stands still after it has looked at the numbers, until others have used its own and deleted it."""

    def _numbers(self) -> list[int]:
        numbers = super()._numbers()
        if numbers == [1]:
            others = Manifest(self.path.parent)
            for number in (2, 3, 4):
                assert others.append(number, Entry(2, snapshot=True))
            others.forget_before(4)
        return numbers


def test_a_number_that_others_have_used_and_deleted_meanwhile_is_not_given_again(manifest: Manifest) -> None:
    manifest.append(1, FIRST)
    late = Overtaken(manifest.path.parent)
    assert not late.append(2, Entry(1, {"late": 1}, drops=["a"])), "it would delete what it believes it has replaced"
    assert (manifest.read().start, manifest.read().parts) == (2, {})


class Listed(Manifest):
    """A folder that was listed while entries were made: it may have any of their names, and is whole the next time."""

    was_listed = False

    def _numbers(self) -> list[int]:
        numbers = super()._numbers()
        if not self.was_listed:
            self.was_listed = True
            numbers.remove(2)
        return numbers


def test_entries_that_are_made_while_their_folder_is_listed_are_not_lost(manifest: Manifest) -> None:
    manifest.append(1, FIRST)
    manifest.append(2, Entry(1, {"b": 1}))
    manifest.append(3, Entry(1, {"c": 1}))
    assert Listed(manifest.path.parent).read().parts == {"a": 3, "b": 1, "c": 1}


def test_of_many_that_write_at_once_one_gets_the_number(manifest: Manifest) -> None:
    manifest.append(1, FIRST)
    start, won = threading.Barrier(8), []

    def write(number: int) -> None:
        start.wait()
        if manifest.append(2, Entry(number, snapshot=True)):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [manifest.read().start] == won


def test_a_number_taken_between_the_look_and_the_write_is_refused(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest.append(1, FIRST)
    link = os.link

    def other_was_quicker(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        assert manifest.append(2, Entry(9, snapshot=True))
        link(source, target)

    monkeypatch.setattr(os, "link", other_was_quicker)
    assert not manifest.append(2, Entry(1, {"b": 1}))
    assert manifest.read().start == 9


def test_a_link_whose_answer_was_lost_counts(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, manifest.path.parent / "backup")  # as tools do that keep copies
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", repeated)
    assert manifest.append(1, FIRST), "NFS says that the name exists, and it is ours"


def test_a_write_whose_file_was_cleared_away_is_refused(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.append(1, FIRST)

    def cleared(source: Path, target: Path) -> None:
        manifest.remove_leftovers(1)
        assert Path(source).exists(), "a number that is not used yet may be another driver's"
        manifest.remove_leftovers(2)
        raise FileNotFoundError(target)

    monkeypatch.setattr(os, "link", cleared)
    assert not manifest.append(2, Entry(1))
    assert list(manifest.path.glob("*.tmp")) == []


def test_a_file_system_without_hard_links_is_refused_in_one_line(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(UserError, match=r"makes no hard links \(Operation not permitted\)") as caught:
        manifest.append(1, FIRST)
    assert caught.value.where == str(manifest.path)
    assert list(manifest.path.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        manifest.append(1, FIRST)
    assert list(manifest.path.iterdir()) == []


def test_what_is_deleted_is_read_by_nobody(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.append(1, FIRST)
    manifest.append(2, Entry(1, {"b": 1}))
    read_entry, lost = manifest._entry, []

    def deleting(number: int) -> Entry:
        if not lost:  # a driver writes snapshots while this reader is about to open the second entry
            lost.append(number)
            manifest.append(3, Entry(1, {"a": 3, "b": 1}, snapshot=True))
            manifest.append(4, Entry(1, {"c": 1}))
            manifest.forget_before(3)
        return read_entry(number)

    monkeypatch.setattr(manifest, "_entry", deleting)
    assert manifest.read().parts == {"a": 3, "b": 1, "c": 1}
    assert sorted(file.stem for file in manifest.path.iterdir()) == ["00000003", "00000004"]


def test_what_cannot_be_read_is_a_defect(manifest: Manifest) -> None:
    manifest.append(1, FIRST)
    manifest.append(2, Entry(1))
    manifest.append(3, Entry(1))
    (manifest.path / "00000002.json").unlink()
    with pytest.raises(BrokenInvariantError, match="there is no snapshot before 3"):
        manifest.read()
    (manifest.path / "00000003.json").write_text('{"beginning": 1}')
    with pytest.raises(BrokenInvariantError, match=r"00000003\.json is no entry of a manifest"):
        manifest.read()


def test_being_fenced_is_one_clear_line_also_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(FencedError("runs/store/samples/abc")))
    assert isinstance(error, FencedError)
    assert isinstance(error, UserError)
    assert str(error).startswith("runs/store/samples/abc: another start of this run has taken over; let that")


def test_an_entry_is_on_the_disk_before_it_has_its_name(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def noting_fsync(descriptor: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().suffix}")
        fsync(descriptor)

    def noting_link(source: Path, target: Path) -> None:
        calls.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "link", noting_link)
    manifest.append(1, FIRST)
    assert calls == ["fsync .tmp", "link", "fsync ", "fsync "], "the file, its name, and the name of its folder"
