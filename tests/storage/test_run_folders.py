"""Run folders: locks between real processes, versions, links, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.run_folders import (
    FORMAT,
    begin_run,
    end_run,
    find_runs,
    hold_run,
    is_run,
    link,
    link_latest,
    no_run,
    remember_run,
    remembered_runs,
    require,
)
from engine.storage.store import NOUNS
from tests.support.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from engine.storage.run_folders import hold_run

with hold_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding_process(run: Path) -> Iterator[subprocess.Popen[str]]:
    """A second Python that holds `run` until it is killed, which is at the end at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_a_second_driver_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin_run(run, "seed: 0\n")
    before = snapshot(run)
    with holding_process(run) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another synthmill is working on this run") as caught, hold_run(run):
            pass
        assert caught.value.where == f"run_dir={run}"
        assert "its own run_dir" in caught.value.remedy
        assert snapshot(run) == before
        holder.kill()
        holder.wait()
        with hold_run(run):  # the kernel gave the lock back
            assert snapshot(run) == before


def test_a_run_is_held_by_any_of_its_names(tmp_path: Path) -> None:
    begin_run(tmp_path / "demo", "")
    link_latest(tmp_path, tmp_path / "demo")
    with (
        hold_run(tmp_path / "latest"),
        pytest.raises(UserError, match="another synthmill"),
        hold_run(tmp_path / "demo"),
    ):
        pass


def test_taking_a_run_folder_makes_nothing_in_it(tmp_path: Path) -> None:
    with hold_run(tmp_path / "runs" / "new"):
        assert not (tmp_path / "runs" / "new").exists()


def test_begins_a_run_again_and_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for text in ("seed: 0\n", "seed: 1\n"):
        with hold_run(run):
            begin_run(run, text)
    assert json.loads((run / "run.json").read_text()) == {"format": FORMAT}
    assert (run / "config.yaml").read_text() == "seed: 1\n"
    assert sorted(path.name for path in run.iterdir()) == ["config.yaml", "run.json"]


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        ('{"format": 0}', "another version of synthmill (format 0, this one writes 1)", "version that wrote it"),
        ('{"format": 99}', "another version of synthmill (format 99, this one writes 1)", "name a new run_dir"),
        ("{", "not of a synthmill run", "name a new or empty folder"),
        ("[]", "not of a synthmill run", "name a new or empty folder"),
        ('{"version": 1}', "not of a synthmill run", "name a new or empty folder"),
        (None, "not of a synthmill run", "name a new or empty folder"),
    ],
)
def test_refuses_a_folder_that_is_not_its_own(tmp_path: Path, content: str | None, what: str, remedy: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.txt").write_text("years of work")
    if content is not None:
        (run / "run.json").write_text(content)
    before = snapshot(tmp_path)
    with pytest.raises(UserError) as caught, hold_run(run):
        pass
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.where == f"run_dir={run}"
    assert snapshot(tmp_path) == before


def test_refuses_a_file_and_a_folder_below_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    for run in (file, file / "run", file / "deep" / "run"):
        with (
            pytest.raises(UserError, match=r"is a file|cannot be made: Not a directory|File exists") as caught,
            hold_run(run),
        ):
            pass
        assert caught.value.where == f"run_dir={run}"
    assert file.read_text() == "kept"


def test_refuses_a_folder_beside_which_nothing_can_be_written() -> None:
    with pytest.raises(UserError) as caught, hold_run(Path("/proc/run")):
        pass
    assert caught.value.where == "run_dir=/proc/run"
    assert "cannot be written beside" in caught.value.what
    assert "may write in" in caught.value.remedy


def test_takes_an_empty_folder_and_one_that_a_kill_left_half_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with hold_run(run):
        pass
    (run / "run.json.123.tmp").write_text('{"for')
    with hold_run(run):
        begin_run(run, "")
    assert (run / "run.json").exists()


def test_links_are_replaced_in_one_step(tmp_path: Path) -> None:
    for name in ("first", "second", "run"):
        (tmp_path / name).mkdir()
    run = tmp_path / "run"
    link(run, "samples", tmp_path / "first")
    inode = (run / "samples").lstat().st_ino
    link(run, "samples", tmp_path / "first")
    assert (run / "samples").lstat().st_ino == inode, "the same link is left alone"
    (run / f".samples.{os.getpid()}.tmp").symlink_to("nowhere")
    link(run, "samples", tmp_path / "second")
    assert (run / "samples").readlink() == Path("../second")
    shutil.rmtree(tmp_path / "second")
    link(run, "samples", tmp_path / "first")
    assert [path.name for path in run.iterdir()] == ["samples"]
    assert (run / "samples").readlink() == Path("../first")


def test_links_hold_when_everything_moves_and_older_absolute_ones_are_replaced(tmp_path: Path) -> None:
    store, run = tmp_path / "project" / "runs" / "store", tmp_path / "project" / "work" / "run"
    run.mkdir(parents=True)
    (store / "samples" / "abc").mkdir(parents=True)
    (run / "samples").symlink_to(store / "samples" / "abc")
    assert (run / "samples").is_dir()
    link(run, "samples", store / "samples" / "abc")
    remember_run(store, run)
    link_latest(store.parent, run)
    (tmp_path / "project").rename(tmp_path / "renamed")
    moved = tmp_path / "renamed"
    assert (moved / "work" / "run" / "samples").resolve() == moved / "runs" / "store" / "samples" / "abc"
    assert list(remembered_runs(moved / "runs" / "store").values()) == [moved / "work" / "run"]
    assert (moved / "runs" / "latest").resolve() == moved / "work" / "run"


def test_a_link_starts_where_it_really_lies(tmp_path: Path) -> None:
    (tmp_path / "disk" / "deep" / "run").mkdir(parents=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "deep" / "run")
    link(tmp_path / "run", "samples", tmp_path / "folder")
    assert (tmp_path / "run" / "samples").readlink() == Path("../../../folder")
    assert (tmp_path / "run" / "samples").resolve() == tmp_path / "folder"


def test_a_link_to_another_tree_names_the_place(tmp_path: Path) -> None:
    link(tmp_path, "proc", Path("/proc"))
    assert (tmp_path / "proc").readlink() == Path("/proc")


def test_an_ended_run_leaves_only_what_it_did_not_write(tmp_path: Path) -> None:
    store = make(tmp_path / "store")
    for name in ("values", "demonstrations"):
        begin_run(tmp_path / name, "seed: 1\n")
        link(tmp_path / name, "samples", store)
    (tmp_path / "values" / "notes.txt").write_text("the user's")
    for name in ("values", "demonstrations"):
        end_run(tmp_path / name)
    assert [path.name for path in (tmp_path / "values").iterdir()] == ["notes.txt"]
    assert not (tmp_path / "demonstrations").exists()
    assert not is_run(tmp_path / "values")
    assert store.is_dir(), "a link is removed, never what it leads to"


def test_runs_are_found_at_any_depth_and_through_links(tmp_path: Path) -> None:
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    for run in (runs / "one", runs / "sweeps" / "adapt" / "rate=1", elsewhere):
        run.mkdir(parents=True)
        begin_run(run, "")
    begin_run(make(runs / "one" / "round_0" / "values"), "")
    begin_run(make(runs / "store" / "no run"), "")
    (runs / "linked").symlink_to(elsewhere)
    (runs / "latest").symlink_to("one")
    (runs / "circle").symlink_to("..")
    (runs / "gone").symlink_to("nowhere")
    expected = {runs / "one", runs / "one" / "round_0" / "values", runs / "sweeps" / "adapt" / "rate=1", elsewhere}
    assert find_runs(runs) == expected
    (runs / "sweeps").chmod(0)
    try:
        if not os.access(runs / "sweeps", os.R_OK):  # root reads everything
            with pytest.raises(PermissionError):
                find_runs(runs)
    finally:
        (runs / "sweeps").chmod(0o755)


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_latest_is_the_run_that_finished_last(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        link_latest(tmp_path, tmp_path / name)
        assert (tmp_path / "latest").readlink() == Path(name)
    link_latest(tmp_path, tmp_path / "latest")
    assert (tmp_path / "latest").readlink() == Path("two")


def test_a_run_may_be_called_latest(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "other").mkdir()
    for run in ("latest", "other"):
        link_latest(tmp_path, tmp_path / run)
    assert (tmp_path / "latest").is_dir()
    assert not (tmp_path / "latest").is_symlink()


def test_the_finished_folders_of_a_run_are_found_by_noun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin_run(run, "")
    for noun in ("documents", "prompts"):
        folder = tmp_path / "store" / noun / "abc"
        folder.mkdir(parents=True)
        link(run, noun, folder)
    (tmp_path / "store" / "documents" / "abc" / "_DONE").write_text("")
    assert require(str(run), "documents") == {"documents": tmp_path / "store" / "documents" / "abc"}
    with pytest.raises(UserError, match="the run has no finished prompts") as caught:
        require(str(run), "documents", "prompts", "samples")
    assert (caught.value.where, caught.value.remedy) == (str(run), "run it to its end first")
    assert require(str(run)) == {}


def test_a_run_that_is_worked_on_is_to_be_waited_for(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    with hold_run(tmp_path / "run"), pytest.raises(UserError, match="the run has no finished report") as caught:
        require(str(tmp_path / "run"), "report")
    assert caught.value.remedy == (
        f"synthmill is working on it; wait for it, or see `synthmill status {tmp_path / 'run'}`"
    )


def test_a_run_that_starts_is_not_refused_while_messages_look_for_runs_that_are_worked_on(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    ends = threading.Event()

    def ask() -> None:
        while not ends.is_set():
            no_run(tmp_path / "latest")
            with pytest.raises(UserError):
                require(str(tmp_path / "run"), "report")

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            for _ in range(300):
                with hold_run(tmp_path / "run"):
                    pass
        finally:
            ends.set()
        asking.result(10)


def test_what_is_no_run_names_the_runs_beside_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert no_run(runs / "latest").remedy == "name a folder such as runs/latest"
    runs.mkdir()
    for name in ("b", "a"):
        begin_run(runs / name, "")
    (runs / "latest").symlink_to("gone")
    (runs / "store").mkdir()
    (runs / "also").symlink_to("a")
    with hold_run(runs / "reading"), hold_run(runs / "b"), pytest.raises(UserError, match="is no run folder") as caught:
        require(str(runs / "latest"), "report")
    assert caught.value.remedy == f"name a run that is there: {runs}/b (running), {runs}/reading (running), {runs}/a"
    for number in range(5):
        begin_run(runs / f"c{number}", "")
    assert no_run(runs / "latest").remedy.endswith(f"{runs}/c2 and 2 more")


@pytest.mark.parametrize(
    ("last", "kind", "shown"),
    [
        ("chunk_sizes", "experiment=chunk_size", "chunk_sizes/chunk_sizes.html"),
        ("learning_curve", "experiment=learning_curve", "learning_curve/learning_curve.html"),
        ("stages", "stages.models", "stages/stages.html"),
        ("output", "experiment=batch", "output"),
    ],
)
def test_a_run_of_another_kind_says_what_it_is_and_where_its_result_lies(
    tmp_path: Path, last: str, kind: str, shown: str
) -> None:
    begin_run(tmp_path, "")
    for noun in ("documents", last):
        (tmp_path / noun).mkdir()
        (tmp_path / noun / "_DONE").write_text("")
    with pytest.raises(UserError, match=kind) as caught:
        require(str(tmp_path), "documents", "report")
    assert "has no report" in caught.value.what
    assert f"see {tmp_path}/{shown}, or run its command again" in caught.value.remedy


@pytest.mark.parametrize("noun", NOUNS)
def test_a_folder_that_is_no_run_has_no_finished_folders(tmp_path: Path, noun: str) -> None:
    (tmp_path / noun).mkdir()
    (tmp_path / noun / "_DONE").write_text("")
    with pytest.raises(UserError, match="is no run folder") as caught:
        require(str(tmp_path), noun)
    assert caught.value.where == str(tmp_path)


def test_the_store_remembers_each_run_that_links_into_it_once(tmp_path: Path) -> None:
    runs = [tmp_path / "runs" / "one", tmp_path / "elsewhere" / "two"]
    for run in runs:
        run.mkdir(parents=True)
    for run in (*runs, *runs):
        remember_run(tmp_path / "store", run)
    (tmp_path / "latest").symlink_to(runs[0])
    remember_run(tmp_path / "store", tmp_path / "latest")
    assert sorted(entry.resolve() for entry in (tmp_path / "store" / "runs").iterdir()) == sorted(runs)
    (tmp_path / "store" / "runs" / ".left.1.tmp").symlink_to("by a kill")
    shutil.rmtree(runs[1])
    assert sorted(remembered_runs(tmp_path / "store").values()) == sorted(runs), "those that are gone as well"


def test_a_run_that_is_refused_leaves_no_lock_and_one_that_began_keeps_it(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    lock = run.parent / ".one.lock"
    with hold_run(run):  # and refused before it begins
        assert lock.exists()
    assert list(run.parent.iterdir()) == []
    with hold_run(run):
        begin_run(run, "")
    assert lock.exists()


def test_a_training_on_given_examples_says_that_it_has_no_documents(tmp_path: Path) -> None:
    begin_run(tmp_path, "")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "_DONE").write_text("")
    with pytest.raises(UserError, match="is a training on given examples alone, and such a run has no documents"):
        require(str(tmp_path), "documents", "model")
