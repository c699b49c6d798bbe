"""Files that are replaced whole: after a kill, after an error, and under many threads; locks; full disks."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.files import (
    is_disk_full,
    is_locked,
    locked,
    make_folder,
    naming_a_full_disk,
    require_space,
    temporary_beside,
    write_json,
    write_text,
)


def test_writes_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    (tmp_path / f"b.{os.getpid()}.tmp").write_text("longer than what follows, left by a kill")
    write_json(tmp_path / "b", {"b": [1], "a": None})
    assert json.loads((tmp_path / "b").read_text()) == {"b": [1], "a": None}
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "new \ud800")
    assert (tmp_path / "a").read_text() == "old"


def test_threads_that_write_one_file_do_not_take_each_others_temporary(tmp_path: Path) -> None:
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            list(pool.map(lambda text: write_text(tmp_path / "a", text), texts))
    assert (tmp_path / "a").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_kill_left_beside_a_file_is_removed_by_the_next_write_of_it(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    left, held = tmp_path / "out.jsonl.12.tmp", tmp_path / "out.jsonl.34.tmp"
    others = [tmp_path / name for name in ("out.jsonl.mine.tmp", "out.jsonl.12.tmp.txt", "Xout.jsonl.12.tmp")]
    for each in (left, held, *others):
        each.write_text("half")
    with locked(held, wait=False), temporary_beside(file) as temporary:
        assert not left.exists()
        temporary.write_text("whole")
        temporary.replace(file)
    assert sorted(tmp_path.iterdir()) == sorted([file, held, *others]), (
        "another run holds it, and the others are not ours"
    )
    with temporary_beside(file) as temporary:
        temporary.write_text("half, and never renamed")
    assert sorted(tmp_path.iterdir()) == sorted([file, *others])


def test_a_lock_whose_file_is_removed_meanwhile_is_held_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl.12.tmp"

    def hold() -> bool:
        with locked(file, wait=True):
            try:
                with locked(file, wait=False):
                    return False
            except BlockingIOError:
                return True

    with ThreadPoolExecutor(1) as pool:
        with locked(file, wait=False):
            waiting = pool.submit(hold)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            file.unlink()  # as the next write of out.jsonl does, which takes it for what a kill left
        assert waiting.result(10), "nobody else can take it for theirs"


def test_a_lock_that_is_held_is_refused_or_waited_for(tmp_path: Path) -> None:
    file, order = tmp_path / "lock", []

    def wait() -> None:
        with locked(file, wait=True):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with locked(file, wait=True):
            with pytest.raises(BlockingIOError), locked(file, wait=False):
                pass
            waiting = pool.submit(wait)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            order.append("first")
        waiting.result(10)
    assert order == ["first", "second"]
    with locked(file, wait=False):
        pass


def test_who_takes_a_lock_is_not_refused_by_who_only_asks_for_it(tmp_path: Path) -> None:
    file, ends, free = tmp_path / "lock", threading.Event(), threading.Semaphore(0)
    file.touch()

    def ask() -> None:
        while not ends.is_set():
            if not is_locked(file):
                free.release()

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(300):
                with locked(file, wait=False):
                    assert is_locked(file)
            assert free.acquire(timeout=10), "who asks finds it free in between"
        finally:
            ends.set()
        for each in asking:
            each.result(10)


def test_a_lock_that_is_shared_for_a_moment_is_waited_for_and_one_that_is_kept_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, waits = tmp_path / "lock", []
    with contextlib.ExitStack() as asking:
        asking.enter_context(locked(file, wait=False, shared=True))

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                asking.close()

        monkeypatch.setattr("engine.storage.files.time.sleep", wait)
        with locked(file, wait=False):
            assert len(waits) == 3
            with pytest.raises(BlockingIOError), locked(file, wait=False):
                pass
            with pytest.raises(BlockingIOError), locked(file, wait=False, shared=True):
                pass
        assert len(waits) == 3, "one that is not shared is no question"
    with locked(file, wait=False, shared=True), pytest.raises(BlockingIOError), locked(file, wait=False):
        pass
    assert 100 < len(waits) < 1000


def test_asking_for_a_lock_makes_nothing_and_tells_shared_ones_where_these_count(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    assert not is_locked(file)
    assert not list(tmp_path.iterdir())
    with locked(file, wait=False, shared=True):
        assert (is_locked(file), is_locked(file, or_shared=True)) == (False, True)
    with locked(file, wait=False):
        assert (is_locked(file), is_locked(file, or_shared=True)) == (True, True)
    assert not is_locked(file, or_shared=True)


def test_a_folder_is_made_with_its_parents_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(folder, where="key=value")
    (folder / "kept").write_text("")
    make_folder(folder, where="key=value")
    assert [entry.name for entry in folder.iterdir()] == ["kept"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(UserError) as caught:
            make_folder(folder, where="runs_dir=here")
        assert caught.value.what == f"{tmp_path / 'file'} is a file"
        assert caught.value.where == "runs_dir=here"
    with pytest.raises(UserError, match=r"/proc/run cannot be made"):
        make_folder(Path("/proc/run"), where="runs_dir=/proc/run")


def test_a_full_disk_is_named_and_other_errors_pass(tmp_path: Path) -> None:
    full = pytest.raises(UserError, match=r"the disk is full \(No space left on device\)")
    with full as caught, naming_a_full_disk(tmp_path):
        Path("/dev/full").write_text("x")
    assert caught.value.where == str(tmp_path)
    with pytest.raises(FileNotFoundError), naming_a_full_disk(tmp_path):
        (tmp_path / "missing").read_text()


def test_refuses_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "made", 1)
    with pytest.raises(UserError, match=r"the disk is full \(\d+\.\d\d GB free, 1000000000\.00 GB wanted\)") as caught:
        require_space(tmp_path / "not" / "made", 10**18)
    assert caught.value.where == str(tmp_path / "not" / "made")
    assert "set runs_dir to another disk" in caught.value.remedy
    assert not (tmp_path / "not").exists()


def test_tells_a_full_disk_from_other_errors() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x")
    assert is_disk_full(caught.value)
    assert is_disk_full(OSError(errno.EDQUOT, "over quota"))
    assert not is_disk_full(FileNotFoundError(errno.ENOENT, "no such file"))


def test_a_file_system_that_renumbers_its_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, numbers = os.fstat, iter(range(10**6))

    def renumbered(descriptor: int) -> os.stat_result:
        return os.stat_result((0, next(numbers), *real(descriptor)[2:]))

    monkeypatch.setattr(os, "fstat", renumbered)
    with pytest.raises(UserError, match="nothing can be locked there; set runs_dir"), locked(tmp_path / "a", wait=True):
        pytest.fail("whoever believes to hold the lock may not be alone")
