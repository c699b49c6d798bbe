"""The cache of a URL: which one it is, what it knows to be committed, and what it gives up."""

import os
from pathlib import Path

import pytest

from engine.storage import digests
from engine.storage.in_use import using
from engine.storage.remote.cache import (
    Cache,
    cache_path,
    forget_shared,
    is_copy_of,
    make_room,
    note_shared,
    open_cache,
)
from engine.storage.store import DONE, work_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setattr(digests, "CACHE", tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return open_cache("s3://bucket/runs")


def make_folder(cache: Cache, name: str, used_at: int) -> Path:
    folder = cache.store.reserve("samples", name)
    (folder / "x").write_bytes(bytes(100))
    (folder / DONE).touch()
    note_shared(folder, {"files": name})
    os.utime(folder.with_name(f".{name}.shared"), (used_at, used_at))
    return folder


def test_a_url_has_one_cache(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_cache("s3://bucket/runs") == cache
    assert (cache.path / "url").read_text() == "s3://bucket/runs\n"
    assert cache.holder.split("/")[:2] == [os.uname().nodename, str(os.getpid())]
    assert open_cache("s3://bucket/other").holder != cache.holder
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://another-store")
    assert cache_path("s3://bucket/runs") != cache.path


def test_a_copy_is_one_of_what_was_committed(cache: Cache) -> None:
    folder = make_folder(cache, "a", 1)
    assert is_copy_of(folder, {"files": "a"})
    assert not is_copy_of(folder, {"files": "other"})
    assert folder.with_name(".a.shared").stat().st_mtime > 1, "it was used"
    (folder / DONE).unlink()
    assert not is_copy_of(folder, {"files": "a"})
    (folder / DONE).touch()
    forget_shared(folder)
    assert not is_copy_of(folder, {"files": "a"})


def test_room_is_made_of_what_was_used_longest_ago(cache: Cache) -> None:
    oldest, used, newest = (make_folder(cache, name, at) for name, at in (("b", 1), ("a", 2), ("c", 3)))
    unshared = cache.store.reserve("samples", "d")
    (unshared / "x").write_bytes(bytes(1000))
    assert make_room(cache, 300) == []
    with using(cache.store.root, ["a"]):
        assert make_room(cache, 150) == [oldest, newest]
    assert used.exists()
    assert unshared.exists(), "there is no other copy"
    assert make_room(cache, 0) == [used]
    assert list(cache.store.root.glob("samples/.*.shared")) == []
    assert cache.store.left_aside() == []


def test_what_a_kill_left_half_fetched_goes(cache: Cache) -> None:
    left, fetched = (cache.store.root / "samples" / f".{name}.fetched" for name in "ab")
    for folder in (left, fetched):
        folder.mkdir(parents=True)
        (folder / "recipe.json").touch()
    with cache.store.producing(cache.store.folder("samples", "b"), keep=True):
        make_room(cache, 1000)
        assert not left.exists()
        assert fetched.exists(), "it is being fetched now"


def test_work_folders_of_steps_that_have_finished_go(cache: Cache) -> None:
    finished, unfinished = make_folder(cache, "a", 1), cache.store.reserve("samples", "b")
    for folder in (finished, unfinished):
        work_folder(folder).mkdir()
    make_room(cache, 1000)
    assert cache.store.work_folders() == {work_folder(unfinished): unfinished}


def test_what_is_being_written_stays(cache: Cache) -> None:
    folder = make_folder(cache, "a", 1)
    with cache.store.producing(folder, keep=True):
        assert make_room(cache, 0) == []
    assert folder.exists()
