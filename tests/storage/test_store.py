"""The store: a folder by fingerprint, written by one process at a time, and finished by a mark that comes last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.storage.files import locked
from engine.storage.store import (
    StepRecord,
    Store,
    finish,
    is_being_written,
    is_done,
    read_inputs,
    read_record,
    work_folder,
)
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS


def record(**values: Any) -> StepRecord:
    """The record of a documents step that says `values` of itself."""
    return StepRecord("documents", "abc", {"earlier": "0f"}, {"limit": 3}, 1.5, 2048, values)


def test_what_a_killed_attempt_left_is_removed_unless_it_is_continued(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("samples", "abc")
    assert folder == tmp_path / "samples" / "abc"
    for keep in (True, False):
        with Store(tmp_path).producing(folder, keep=keep) as given:
            assert given == folder
            (folder / f"part-{keep}").write_text("")
            assert {path.name for path in folder.iterdir()} == {f"part-{keep}"}
        with Store(tmp_path).producing(folder, keep=True):
            assert (folder / f"part-{keep}").exists()


def test_every_driver_that_sets_out_to_write_a_folder_has_a_number_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ThreadPoolExecutor(8) as drivers:
        numbers = list(drivers.map(lambda _: store.count_start("samples", "abc"), range(100)))
    assert sorted(numbers) == list(range(1, 101)), "also when they start at the same time"
    assert store.count_start("samples", "other") == 1
    assert not store.folder("samples", "abc").exists(), "counting makes nothing"


def test_a_finished_folder_is_never_removed(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("documents", "abc")
    with Store(tmp_path).producing(folder, keep=False):
        (folder / "passages.parquet").write_text("rows")
        finish(folder, record(passages=1))
    with Store(tmp_path).producing(folder, keep=False):
        assert (folder / "passages.parquet").read_text() == "rows"
    assert read_record(folder) == record(passages=1)


def test_a_half_written_mark_does_not_count(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("documents", "abc")
    with Store(tmp_path).producing(folder, keep=False):
        (folder / "passages.parquet").write_text("ro")
        (folder / "_DONE.77.tmp").write_text("")
    assert not is_done(folder)
    with Store(tmp_path).producing(folder, keep=False):
        assert list(folder.iterdir()) == []


def test_the_mark_is_written_after_the_record(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        finish(tmp_path, record(value=object()))
    assert not is_done(tmp_path)
    finish(tmp_path, record(value="ü"))
    assert is_done(tmp_path)
    assert json.loads((tmp_path / "record.json").read_text()) == {
        "noun": "documents",
        "fingerprint": "abc",
        "inputs": {"earlier": "0f"},
        "config": {"limit": 3},
        "seconds": 1.5,
        "peak_memory_bytes": 2048,
        "record": {"value": "ü"},
    }
    assert "ü" in (tmp_path / "record.json").read_text(), "a person can read it"


def test_the_mark_comes_when_all_it_vouches_for_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model" / "abc"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("weights", "deep/config", "deep/er/words"):
        (folder / name).write_text(name)
    (folder / "link").symlink_to("/dev/null")
    calls: list[str] = []
    fsync, rename = os.fsync, os.replace

    def noting_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append(f"fsync {path.relative_to(tmp_path)}")
        fsync(descriptor)

    def noting_replace(source: Path, target: Path) -> None:
        calls.append(f"replace {Path(target).relative_to(tmp_path)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    finish(folder, record())
    mark = calls.index("replace model/abc/_DONE")
    below = ("weights", "deep/config", "deep/er/words", "record.json", "deep/er", "deep")
    for path in (*(f"model/abc/{name}" for name in below), "model/abc", "model"):
        assert f"fsync {path}" in calls[:mark], f"{path} can be lost in a power cut that _DONE outlives"
    assert calls[mark + 1 :] == ["fsync model/abc"]
    assert not any("null" in call for call in calls)


def test_what_a_folder_was_made_from_is_followed_to_its_beginning(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made_from = {"documents": ("d", {}), "prompts": ("p", {"documents": "d"}), "samples": ("s", {"any name": "p"})}
    for noun, (name, inputs) in made_from.items():
        finish(store.reserve(noun, name), replace(record(), inputs=inputs))
    store.reserve("samples", "unfinished")
    (tmp_path / "samples" / ".s.lock").write_text("")
    (tmp_path / "embeddings").mkdir()
    assert [folder.relative_to(tmp_path).as_posix() for folder in store.outputs()] == [
        "documents/d",
        "prompts/p",
        "samples/s",
        "samples/unfinished",
    ]
    assert store.with_inputs(["s"]) == {"s", "p", "d"}
    assert store.with_inputs(["unfinished", "unknown"]) == {"unfinished", "unknown"}
    assert store.with_inputs([]) == set()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"inputs": null}', '{"inputs": [1]}'])
def test_a_record_that_hides_its_inputs_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(UserError, match="does not say what its folder was made from") as caught:
        read_inputs(tmp_path)
    assert caught.value.where == str(tmp_path / "record.json")


def test_a_folder_leaves_the_store_in_one_step_unless_it_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.folder("samples", "abc")
    with store.producing(folder, keep=True):
        assert is_being_written(folder)
        with pytest.raises(BlockingIOError):
            store.set_aside(folder)
        finish(folder, record())
    assert not is_being_written(folder)
    aside = store.set_aside(folder)
    assert aside
    assert (store.outputs(), store.left_aside()) == ([], [aside])
    assert is_done(aside)
    (store.reserve("samples", "abc") / "new").write_text("")
    assert store.set_aside(folder) == aside, "what an earlier clean left there goes"
    assert [path.name for path in aside.iterdir()] == ["new"]
    assert store.set_aside(folder) is None, "somebody else was faster"
    assert store.left_aside() == [aside], "what lies there is not touched"


def test_a_work_folder_lies_beside_its_step_and_is_left_where_nobody_goes_on_from_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.folder("model", "abc")
    work = work_folder(folder)
    with store.producing(folder, keep=True):
        work.mkdir()
        assert store.work_folders() == {work: folder}
        assert store.left_working() == [], "a later start may go on from it"
        with pytest.raises(BlockingIOError):
            store.set_aside(work)
        finish(folder, record())
    assert (store.outputs(), store.left_working()) == ([folder], [work])
    aside = store.set_aside(work)
    assert (store.left_working(), store.left_aside()) == ([], [aside])
    assert store.set_aside(work) is None, "its driver has removed it since it was listed"
    work.mkdir()
    shutil.rmtree(folder)
    assert store.left_working() == [work], "its step is gone"


def test_asking_who_writes_makes_nothing(tmp_path: Path) -> None:
    assert not is_being_written(tmp_path / "samples" / "abc")
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_goes_on_finds_its_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.reserve("samples", "abc")
    (folder / "part").write_text("")
    assert store.reserve("samples", "abc") == folder == store.folder("samples", "abc")
    assert (folder / "part").exists()


PRODUCE = """
import sys
from pathlib import Path
from engine.storage.store import StepRecord, Store, finish

folder = Path(sys.argv[1])
with Store(folder.parent.parent).producing(folder, keep=False):
    print("producing", flush=True)
    sys.stdin.readline()
    finish(folder, StepRecord("documents", "abc", {}, {}, 0.0, 0, {"by": "other"}))
"""


def test_waits_for_the_process_that_makes_the_same_step(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("documents", "abc")
    with subprocess.Popen(
        [sys.executable, "-c", PRODUCE, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "producing\n"
        lock = folder.parent / ".abc.lock"
        with pytest.raises(BlockingIOError), locked(lock, wait=False):
            pass
        stdin, waits = other.stdin, []

        def let_go() -> None:
            waits.append(folder)
            stdin.write("\n")
            stdin.flush()

        with Store(tmp_path).producing(folder, keep=False, on_wait=let_go):
            assert read_record(folder).record == {"by": "other"}
        assert waits == [folder], "it is said once that another run makes it"
        assert other.wait(PATIENCE_SECONDS) == 0
