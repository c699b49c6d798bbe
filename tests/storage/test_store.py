"""The store and run folders: locks between real processes, versions, links, and what a kill leaves behind."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.files import is_disk_full, locked, require_space
from engine.storage.run_folders import FORMAT, begin_run, hold_run, link, link_latest
from engine.storage.store import Store, finish, is_done, read_record
from tests.support.paths import ROOT


@contextmanager
def other_process(code: str, *arguments: Path) -> Iterator[subprocess.Popen[str]]:
    """A second Python that runs `code`, prints, and then waits; it is killed at the end."""
    program = f"import sys\nfrom pathlib import Path\nfrom engine.storage.store import *\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


HOLD = "with hold_run(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read() or __import__('time').sleep(60)"


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_a_second_driver_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin_run(run, "seed: 0\n")
    before = snapshot(run)
    with other_process(HOLD, run) as holder:
        assert said(holder) == "held"
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


def test_a_finished_folder_is_never_removed(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("documents", "abc")
    with Store(tmp_path).producing(folder, keep=False):
        (folder / "passages.parquet").write_text("rows")
        finish(folder, {"passages": 1})
    with Store(tmp_path).producing(folder, keep=False):
        assert (folder / "passages.parquet").read_text() == "rows"
    assert read_record(folder) == {"passages": 1}


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
        finish(tmp_path, {"value": object()})
    assert not is_done(tmp_path)
    finish(tmp_path, {"value": "ü"})
    assert is_done(tmp_path)
    assert (tmp_path / "record.json").read_text() == '{\n  "value": "ü"\n}\n'


PRODUCE = """
folder = Path(sys.argv[1])
with Store(folder.parent.parent).producing(folder, keep=False):
    print('producing', flush=True)
    sys.stdin.readline()
    finish(folder, {'by': 'other'})
"""


def test_waits_for_the_process_that_makes_the_same_step(tmp_path: Path) -> None:
    folder = Store(tmp_path).folder("documents", "abc")
    program = f"import sys\nfrom pathlib import Path\nfrom engine.storage.store import *\n{PRODUCE}"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert said(other) == "producing"
        lock = folder.parent / ".abc.lock"
        with pytest.raises(BlockingIOError), locked(lock, wait=False):
            pass
        stdin, waits = other.stdin, []

        def let_go() -> None:
            waits.append(folder)
            stdin.write("\n")
            stdin.flush()

        with Store(tmp_path).producing(folder, keep=False, on_wait=let_go):
            assert read_record(folder) == {"by": "other"}
        assert waits == [folder], "it is said once that another run makes it"
        assert other.wait(10) == 0


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
    assert (run / "samples").readlink() == tmp_path / "second"
    shutil.rmtree(tmp_path / "second")
    link(run, "samples", tmp_path / "first")
    assert [path.name for path in run.iterdir()] == ["samples"]
    assert (run / "samples").readlink() == tmp_path / "first"


def test_latest_is_the_run_that_finished_last(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        link_latest(tmp_path, tmp_path / name)
        assert (tmp_path / "latest").readlink() == tmp_path / name
    link_latest(tmp_path, tmp_path / "latest")
    assert (tmp_path / "latest").readlink() == tmp_path / "two"


def test_a_run_may_be_called_latest(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    link_latest(tmp_path, tmp_path / "latest")
    assert (tmp_path / "latest").is_dir()
    assert not (tmp_path / "latest").is_symlink()


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
