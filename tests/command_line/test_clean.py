"""`synthmill clean`: what a run needs stays wherever things were moved, and nothing goes unasked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.command_line.clean import Options, clean, read_options
from engine.command_line.main import USAGE
from engine.errors import UserError
from engine.storage.parts import committed_ids, committed_parts
from engine.storage.run_folders import begin_run, link, link_latest, remember_run
from engine.storage.store import StepRecord, Store, finish, work_folder
from tests.support.committed import begin, commit, write
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

MADE_FROM: Mapping[str, Mapping[str, str]] = {
    "documents/d": {},
    "documents/blank": {},
    "prompts/values": {"documents": "blank"},
    "samples/values-s": {"documents": "blank", "prompts": "values"},
    "prompts/p1": {"documents": "d", "values": "values-s"},
    "samples/s1": {"documents": "d", "prompts": "p1"},
    "examples/e1": {"documents": "d", "prompts": "p1", "samples": "s1"},
    "prompts/p2": {"documents": "d", "prompts": "p1", "examples": "e1"},
    "samples/s2": {"documents": "d", "prompts": "p2"},
    "examples/e2": {"documents": "d", "prompts": "p2", "samples": "s2"},
    "samples/orphan-s": {"documents": "d", "prompts": "orphan-p"},
    "prompts/orphan-p": {"documents": "d"},
}
"""A run of two rounds and a round 0, and a plan with its samples that no run links to."""
ORPHANS = {"samples/orphan-s", "prompts/orphan-p"}
UNASKED = ("--yes",)


def make_output(store: Store, path: str, *, done: bool = True) -> Path:
    noun, name = path.split("/")
    folder = store.reserve(noun, name)
    (folder / "rows").write_text("x" * 1_500_000)
    if done:
        finish(folder, StepRecord(noun, name, MADE_FROM.get(path, {}), {}, 0.0, 0, {}))
    return folder


def make_run(project: Path, run_dir: Path, entries: Mapping[str, str]) -> None:
    store = project / "runs" / "store"
    run_dir.mkdir(parents=True, exist_ok=True)
    begin_run(run_dir, "")
    remember_run(store, run_dir)
    for entry, path in entries.items():
        (run_dir / entry).parent.mkdir(parents=True, exist_ok=True)
        link((run_dir / entry).parent, Path(entry).name, store / path)
    (store / "logs" / run_dir.name).mkdir(parents=True, exist_ok=True)
    link(run_dir, "logs", store / "logs" / run_dir.name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project with a run below `runs/`, one beside it, and two outputs that nobody needs."""
    folder = tmp_path / "project"
    store = Store(folder / "runs" / "store")
    for path in MADE_FROM:
        make_output(store, path)
    make_output(store, "samples/half", done=False)
    make_run(folder, folder / "runs" / "demo", {"documents": "documents/d", "examples": "examples/e2"})
    make_run(folder, folder / "beside", {"round_0/values/samples": "samples/values-s", "samples": "samples/half"})
    link_latest(folder / "runs", folder / "runs" / "demo")
    (store.root / "embeddings").mkdir()
    (store.root / "embeddings" / "d-model.npy").write_text("vectors")
    monkeypatch.chdir(folder)
    return folder


def left(runs: str = "runs") -> set[str]:
    store = Path(runs, "store")
    return {folder.relative_to(store).as_posix() for folder in Store(store).outputs()}


def refused(*arguments: str) -> UserError:
    """The refusal of a command after which everything is as it was."""
    before = left(read_options(arguments, "").runs_dir)
    with pytest.raises(UserError) as caught:
        clean(read_options(arguments, ""))
    assert left(read_options(arguments, "").runs_dir) == before
    return caught.value


EVERYTHING = {*MADE_FROM, "samples/half"}
NEEDED = EVERYTHING - ORPHANS


@pytest.mark.usefixtures("project")
def test_what_a_run_was_made_from_stays_back_to_round_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert clean(Options(yes=True)) == 0
    assert left() == NEEDED, "earlier rounds, round 0, and an unfinished folder of a run that can go on"
    assert Path("runs/store/embeddings/d-model.npy").exists(), "caches are nobody's output"
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said == [
        ["prompts/orphan-p", "1.5", "MB"],
        ["samples/orphan-s", "1.5", "MB"],
        ["no", "run", "needs", "these", "2", "step", "outputs,", "3.0", "MB"],
        ["removed", "2", "step", "outputs,", "3.0", "MB"],
    ]
    assert clean(Options()) == 0, "there is nothing to ask about"
    assert capsys.readouterr().out == "nothing to remove: every step output is needed\n"


@pytest.mark.parametrize("moved", ["project", "runs"])
def test_a_folder_that_was_moved_or_renamed_loses_nothing(
    project: Path, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if moved == "project":
        monkeypatch.chdir(project.parent)
        project.rename(project.parent / "renamed")
        monkeypatch.chdir(project.parent / "renamed")
        clean(Options(yes=True))
        assert left() == NEEDED
        return
    Path("runs").rename("results")
    error = refused("results", *UNASKED)
    assert error.where == str(project / "beside" / "round_0" / "values" / "samples"), "it lies beside what was renamed"
    shutil.rmtree("beside/round_0")
    Path("beside/samples").unlink()
    clean(Options("results", yes=True))
    assert left("results") == NEEDED - {"samples/half"}


def test_absolute_links_of_earlier_versions_hold(project: Path) -> None:
    for entry in ("documents", "examples"):
        path = Path("runs/demo", entry)
        target = path.resolve()
        path.unlink()
        path.symlink_to(target)
    for note in Path("runs/store/runs").iterdir():
        target = note.resolve()
        note.unlink()
        note.symlink_to(target)
    clean(Options(yes=True))
    assert left() == NEEDED
    project.rename(project.parent / "renamed")
    assert "is a run that runs/store remembers" in refused(*UNASKED).what
    old = [word for name in ("runs/demo", "beside") for word in ("--forget", str(project / name))]
    error = refused(*UNASKED, *old)
    assert error.where == str(project.parent / "renamed" / "runs" / "demo" / "documents")
    assert f"leads to {project}/runs/store/documents/d, which is not there (1 more lead nowhere: " in error.what
    assert "start the run once more, which links anew" in error.remedy


def test_a_run_that_is_gone_stops_everything_until_it_is_forgotten(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("beside")
    error = refused(*UNASKED)
    assert error.where == str(project / "beside")
    assert f"synthmill clean runs --forget {project}/beside" in error.remedy
    assert "is no run that the store misses" in refused("--forget", "runs/demo").what
    assert refused("--forget", "runs/demo").remedy == f"missing are: {project}/beside"
    assert "there is no terminal" in refused("--forget", "beside").what
    assert len(list(Path("runs/store/runs").iterdir())) == 2, "nothing is forgotten unasked"
    assert clean(read_options(["--forget", "beside", "--yes"], "")) == 0
    assert f"forgets the run {project}/beside\n" in capsys.readouterr().out
    assert left() == NEEDED - {"samples/half"}
    assert [note.resolve() for note in Path("runs/store/runs").iterdir()] == [project / "runs" / "demo"]


def test_a_link_that_leads_nowhere_stops_everything(project: Path) -> None:
    Path("runs/demo/logs").unlink()
    Path("runs/demo/logs").symlink_to("gone")
    Path("runs/demo/.model.7.tmp").symlink_to("left by a kill")
    shutil.rmtree("runs/store/examples/e2")
    error = refused(*UNASKED)
    assert error.where == str(project / "runs" / "demo" / "examples")
    assert "leads to ../store/examples/e2, which is not there, so" in error.what


def test_a_record_that_cannot_be_read_stops_everything(project: Path) -> None:
    (project / "runs" / "store" / "examples" / "e2" / "record.json").write_text("{")
    assert refused(*UNASKED).where == "runs/store/examples/e2/record.json"


HOLD = """
import sys
from pathlib import Path
from engine.storage.in_use import using
from engine.storage.store import Store

store = Store(Path("runs/store"))
if sys.argv[1] == "uses":
    with using(store.root, ["orphan-s"]):
        print("held", flush=True)
        sys.stdin.read()
with store.producing(store.folder("samples", "orphan-s"), keep=True):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def driver(does: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses or writes an output that no run links to yet."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, does],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("does", "stays"), [("uses", ORPHANS), ("writes", {"samples/orphan-s"})])
@pytest.mark.usefixtures("project")
def test_what_a_running_driver_needs_stays_while_it_runs(
    capsys: pytest.CaptureFixture[str], does: str, stays: set[str]
) -> None:
    with driver(does):
        assert clean(Options(yes=True)) == 0
    assert left() == NEEDED | stays, "with all that it was made from, where a driver says what it uses"
    said = capsys.readouterr().out
    assert {line.split()[-1] for line in said.splitlines() if "a running synthmill uses it" in line} == stays
    clean(Options(yes=True))
    assert left() == NEEDED


@pytest.mark.usefixtures("project")
def test_a_driver_that_starts_while_a_person_thinks_keeps_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as running:

        def think(options: Options) -> bool:
            running.enter_context(driver("uses"))
            return True

        monkeypatch.setattr("engine.command_line.clean._agrees", think)
        assert clean(Options()) == 0
    assert left() == EVERYTHING
    assert "stays, it is used since: samples/orphan-s" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_without_a_terminal_it_only_says_what_it_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused()
    assert "nothing was removed" in error.what
    assert error.remedy.endswith("synthmill clean runs --yes")
    assert "no run needs these 2 step outputs, 3.0 MB" in capsys.readouterr().out


def read_terminal(master: int) -> bytes:
    """What comes next on a terminal whose program has ended; nothing once all is read, which is an error to Linux."""
    try:
        return os.read(master, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("answer", "remaining", "last"),
    [
        ("n", EVERYTHING, "nothing was removed"),
        ("", EVERYTHING, "nothing was removed"),
        ("y", NEEDED, "removed 2 step"),
    ],
)
@pytest.mark.usefixtures("project")
def test_on_a_terminal_it_asks(answer: str, remaining: set[str], last: str) -> None:
    master, slave = os.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "clean"], env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = b""
    while b"remove them? [y/N] " not in said:
        said += os.read(master, 4096)
    assert left() == EVERYTHING
    os.write(master, answer.encode() + b"\n")
    assert process.wait(PATIENCE_SECONDS) == 0
    said = b"".join(iter(lambda: read_terminal(master), b""))
    os.close(master)
    assert said.decode().splitlines()[-1].startswith(last)
    assert left() == remaining


def test_what_a_killed_clean_left_half_deleted_is_no_output_and_goes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill(folder: Path) -> None:
        (folder / "rows").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("engine.command_line.clean.shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            clean(Options(yes=True))
    assert left() == NEEDED, "both were set aside before the first was deleted"
    make_output(Store(project / "runs" / "store"), "samples/orphan-s")
    assert clean(Options(yes=True)) == 0
    assert left() == NEEDED
    assert "removed 3 step outputs" in capsys.readouterr().out
    assert [path.name for path in Path("runs/store").glob("*/.removed/*")] == []


@pytest.mark.usefixtures("project")
def test_one_clean_works_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(options: Options) -> bool:
        assert "another clean is at work here" in refused(*UNASKED).what
        return False

    monkeypatch.setattr("engine.command_line.clean._agrees", meanwhile)
    assert clean(Options()) == 0
    assert left() == EVERYTHING


def test_an_output_that_lies_on_another_disk_stays(project: Path) -> None:
    (project / "disk").mkdir()
    for path in ("samples/s2", "samples/orphan-s"):
        moved = project / "disk" / path.partition("/")[2]
        Path("runs/store", path).rename(moved)
        Path("runs/store", path).symlink_to(moved)
    clean(Options(yes=True))
    assert left() == EVERYTHING - {"prompts/orphan-p"}, "what a person put elsewhere is theirs"


@pytest.fixture
def late_parts(project: Path) -> dict[str, list[Path]]:
    """Parts that do not count, by the state of their step: a finished one, and one that a start may go on with."""
    late: dict[str, list[Path]] = {}
    for name in ("s2", "half"):
        folder = project / "runs" / "store" / "samples" / name
        first = begin(folder)
        commit(first, [1, 2])
        second = begin(folder)
        commit(second, [3])
        part = first.attempt_folder / "part-e0-00001.parquet"
        shutil.copy(first.attempt_folder / "part-e0-00000.parquet", part)  # its engine did not know that it was over
        late[name] = [part, write(second.attempt_folder, [4], engine=1)]
    return late


def test_parts_that_do_not_count_go_and_all_that_count_stay(
    project: Path, late_parts: dict[str, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = {name: project / "runs" / "store" / "samples" / name for name in late_parts}
    assert "there is no terminal" in refused(*()).what
    assert all(part.exists() for parts in late_parts.values() for part in parts)
    assert clean(Options(yes=True)) == 0
    said = capsys.readouterr().out
    assert "samples/s2" in said
    assert "2 of its parts do not count" in said
    assert said.endswith("removed parts that do not count, 0.0 MB\n")
    assert not any(part.exists() for part in late_parts["s2"]), "the step is done: nobody lists anything any more"
    assert [part.exists() for part in late_parts["half"]] == [False, True], "the next start takes the second over"
    for folder in folders.values():
        assert committed_ids(committed_parts(folder)).tolist() == [1, 2, 3]
    assert len(begin(folders["half"]).committed) == 4
    assert clean(Options()) == 0
    assert capsys.readouterr().out.endswith("nothing to remove: every step output is needed\n")


def test_parts_of_a_folder_that_is_being_written_stay(project: Path, late_parts: dict[str, list[Path]]) -> None:
    with Store(project / "runs" / "store").producing(project / "runs" / "store" / "samples" / "half", keep=True):
        clean(Options(yes=True))
    assert all(part.exists() for part in late_parts["half"])
    assert not any(part.exists() for part in late_parts["s2"])


def test_work_folders_go_with_their_steps_or_once_these_have_finished(project: Path) -> None:
    store = Store(project / "runs" / "store")
    finished, half = store.folder("examples", "e2"), store.folder("samples", "half")
    removed = make_output(store, "model/orphan-m", done=False)
    for folder in (finished, half, removed):
        work_folder(folder).mkdir()
    with store.producing(finished, keep=True):
        assert clean(Options(yes=True)) == 0
        assert set(store.work_folders().values()) == {finished, half}, "a process holds a step, a run goes on with one"
    assert clean(Options(yes=True)) == 0
    assert list(store.work_folders()) == [work_folder(half)]
    assert (left(), store.left_aside()) == (NEEDED, [])


def test_options_are_read_in_any_order() -> None:
    arguments = ["--forget", "a", "results", "--yes", "--forget=b c"]
    assert read_options(arguments, USAGE["clean"]) == Options("results", yes=True, forget=("a", "b c"))
    assert read_options([], "") == Options("runs", yes=False, forget=())
