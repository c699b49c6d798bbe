"""Content digests: what changes them, and that nothing is read twice or remembered wrongly."""

import json
import os
import time
from pathlib import Path

import pytest

from engine.storage import digests
from engine.storage.digests import content_digest, file_digests, listing_digest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(digests, "CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "digests.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_text("one")
    (made / "deep" / "b.txt").write_text("two")
    return made


def test_a_file_is_the_first_half_of_its_sha256(folder: Path) -> None:
    assert content_digest(folder / "a.txt") == "7692c3ad3540bb80"  # sha256sum of "one"


def test_a_folder_is_what_lies_in_it_not_where_it_lies(folder: Path, tmp_path: Path) -> None:
    before = content_digest(folder)
    folder.rename(tmp_path / "moved")
    assert content_digest(tmp_path / "moved") == before


def test_a_byte_a_name_or_a_further_file_changes_a_folder(folder: Path) -> None:
    seen = [content_digest(folder)]
    (folder / "deep" / "b.txt").write_text("twO")
    seen.append(content_digest(folder))
    (folder / "deep" / "b.txt").rename(folder / "deep" / "c.txt")
    seen.append(content_digest(folder))
    (folder / "empty").write_text("")
    seen.append(content_digest(folder))
    assert len(set(seen)) == 4


def test_a_listing_is_changed_by_the_files_in_it_alone(folder: Path, tmp_path: Path) -> None:
    files = [folder / "a.txt", folder / "deep" / "b.txt"]
    before = listing_digest(folder, files)
    assert before == content_digest(folder), "the listing of all files"
    (folder / "c.txt").write_text("not in the list")
    assert listing_digest(folder, files) == before
    folder.rename(tmp_path / "moved")
    moved = [tmp_path / "moved" / "a.txt", tmp_path / "moved" / "deep" / "b.txt"]
    assert listing_digest(tmp_path / "moved", moved) == before
    moved[0].write_text("changed")
    assert listing_digest(tmp_path / "moved", moved) != before


def test_each_file_has_its_digest_and_a_broken_link_has_one_too(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "nowhere")
    files = [folder / "a.txt", folder / "link", folder / "deep" / "b.txt"]
    assert file_digests(files) == [content_digest(files[0]), "missing", content_digest(files[2])]
    (folder / "nowhere").write_text("here now")
    assert file_digests(files)[1] == content_digest(folder / "nowhere")


def test_a_change_within_one_tick_of_the_clock_is_seen(folder: Path) -> None:
    file = folder / "a.txt"
    for number in range(50):
        file.write_text(f"{number:03}")
        first = content_digest(file)
        file.write_text(f"{number + 100:03}")
        assert content_digest(file) != first


def settle(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the file be old enough to be remembered, without waiting."""
    now = time.time_ns()
    monkeypatch.setattr(digests.time, "time_ns", lambda: now + 3 * 10**9)


def test_remembers_a_file_that_has_settled(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "a.txt"
    content_digest(file)
    assert not cache.exists(), "it was written a moment ago"
    settle(file, monkeypatch)
    found = content_digest(file)
    [(name, (size, _, known))] = json.loads(cache.read_text()).items()
    assert (name, size, known) == (str(file), 3, found)
    monkeypatch.setattr(digests, "_hash", lambda _: "not read again")
    assert content_digest(file) == found


def test_a_restored_mtime_hides_no_change(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "a.txt"
    settle(file, monkeypatch)
    before, times = content_digest(file), file.stat()
    time.sleep(0.02)  # one tick of the file system's clock
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert content_digest(file) != before


@pytest.mark.parametrize("damaged", ["", "{", "[1, 2]", '{"x": '])
def test_a_damaged_memory_is_started_anew(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    cache.parent.mkdir()
    cache.write_text(damaged)
    settle(folder / "a.txt", monkeypatch)
    assert content_digest(folder / "a.txt") == "7692c3ad3540bb80"
    assert list(json.loads(cache.read_text())) == [str(folder / "a.txt")]
