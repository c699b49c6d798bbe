"""kill -9 at any moment, any number of times: no committed sample lost, none twice.

Two kinds of trials. Two (four in the soak) start the command line with a Ray of its own, stop it at a named moment
and kill the driver or the engine's actor: what they show is that nothing outlives a driver and that an engine's share
is done again. Thirty others kill forked drivers of the samples step (the step, loops and parts as they are, engines in
threads), at the named moments and at times drawn from start to exit; each is killed up to three times, rerun with
other engines and part sizes, and takes some rows over from an older folder.

SYNTHMILL_CRASH_SEED and SYNTHMILL_CRASH_TRIALS choose other times and more trials (12 or more hit every moment).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.storage.parts import committed_ids, committed_parts
from engine.storage.store import read_record
from tests.support.command_line import CommandLine
from tests.support.corpus import write_corpus
from tests.support.jobs import TASK, rows
from tests.support.paths import CRASH_POINTS

SEED = int(os.environ.get("SYNTHMILL_CRASH_SEED", "0"))
TRIALS = int(os.environ.get("SYNTHMILL_CRASH_TRIALS", "30"))
POINT_NAMES = ("open", "rename", "merge", "delete", "before_done")
WORDS = {"before_done": "before _DONE", "open": "engine start"}
PLANNED, REUSED = 240, 60
SAMPLES = 400

MAX_NUM_SEQS = 8
AGENT_SECONDS = 120

Row = dict[str, Any]
ARGUMENTS = (
    "experiment=adapt",
    "samples=fake",
    "until=samples",
    "tracking=off",
    "prompts.per_passage=10",
    "samples.part_rows=16",
    "samples.max_num_seqs=8",
    "run_dir=run",
)


def kill_tree(pid: int) -> None:
    """SIGKILL to a process, everything below it, and its group, all at once."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=20)


def parts_now(run: Path) -> list[Path]:
    return committed_parts(run / "samples") if (run / "samples").exists() else []


def rows_of(folder: Path) -> dict[int, Row]:
    """All columns of the committed rows, by id."""
    parts = committed_parts(folder) if folder.exists() else []
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    found = {row["sample_id"]: row for row in rows}
    assert len(found) == len(rows), "no id in two parts"
    return found


def check_complete(folder: Path, before: dict[int, Row], planned: int) -> None:
    """Every planned id once, whoever reads; rows committed before a kill as they were; sums that add up."""
    files = [pq.read_table(part) for part in folder.resolve().rglob("*.parquet")]
    assert sorted(number for file in files for number in file["sample_id"].to_pylist()) == list(range(planned))
    rows = rows_of(folder)
    assert before.items() <= rows.items(), "committed rows stay as they are"
    record = read_record(folder).record
    assert record["planned"] == planned == record["generated"] + record["failed"]
    assert not list(folder.resolve().rglob("*.open")) + list(folder.resolve().rglob("*.tmp"))


def check_nothing_outlives(family: list[psutil.Process], *, agents: bool) -> None:
    """All of a driver's processes end with it. Ray's two agents need a minute: they report to a Ray that is gone."""
    mine, slow = [], []
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            (slow if process.name().endswith("Agent") else mine).append(process)
    _, left = psutil.wait_procs(mine, timeout=30)
    assert [process.name() for process in left] == [], "no process outlives the driver"
    if agents:
        _, left = psutil.wait_procs(slow, timeout=AGENT_SECONDS)
        assert [process.name() for process in left] == [], "nor do the agents"
    for process in slow:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the moment does not come"
        time.sleep(0.005)


class Mill:
    """Forked drivers on a store of their own each: a plan of PLANNED rows, of which an older folder holds REUSED."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed = root, seed
        self.driver = subprocess.Popen(
            [sys.executable, str(CRASH_POINTS.parent / "crash_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(CRASH_POINTS.parent.parent)},
        )
        write_plan(root / "origin", "old", REUSED)
        write_plan(root / "origin", "new", PLANNED)
        settings = {"name": "old", "engines": 1, "part_rows": 64, "rate": 0.0}
        assert self.end(self.begin(root / "origin", settings)) == 0
        started = time.monotonic()
        shutil.copytree(root / "origin", root / "undisturbed")
        assert self.end(self.begin(root / "undisturbed", settings | {"name": "new", "rate": 400.0})) == 0
        self.seconds = time.monotonic() - started

    def begin(self, root: Path, settings: dict[str, Any]) -> int:
        """Forks a driver; returns its process id."""
        assert self.driver.stdin
        assert self.driver.stdout
        self.driver.stdin.write(json.dumps({"root": str(root), **settings}) + "\n")
        self.driver.stdin.flush()
        return int(self.driver.stdout.readline())

    def end(self, pid: int) -> int:
        """Waits for a driver's end; returns its wait status."""
        assert self.driver.stdout
        status = int(self.driver.stdout.readline())
        with pytest.raises(ProcessLookupError):
            os.killpg(pid, 0)  # nothing is left of its process group
        return status

    def trial(self, number: int) -> set[str]:
        """Kills drivers until one ends by itself; returns the moments that were hit."""
        source, root = random.Random(f"{self.seed}-{number}"), self.root / str(number)
        shutil.copytree(self.root / "origin", root)
        folder, hits, allowed = root / "samples" / "new", set(), 0
        before: dict[int, Row] = {}
        kills = 1 + source.randrange(3)
        for start in range(kills + 1):
            settings = {"name": "new", "engines": source.choice([1, 2, 3]), "part_rows": source.choice([7, 16, 40])}
            # The first start of every other trial is killed at a named moment, all others at a drawn time.
            point = POINT_NAMES[number // 2 % len(POINT_NAMES)] if number % 2 == 0 and not start else ""
            settings |= {"rate": 400.0, "stop_at": point, "marker": str(root / "marker")}
            pid = self.begin(root, settings)
            if start == kills:
                assert self.end(pid) == 0
                break
            wait_for_kill(root / "marker" if point else None, source.uniform(0, self.seconds))
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(pid, signal.SIGKILL)
            if self.end(pid) != signal.SIGKILL:
                break
            hits.add(point or moment(folder))
            allowed += settings["engines"] * (settings["part_rows"] + 2 * MAX_NUM_SEQS)
            rows = rows_of(folder)
            assert before.items() <= rows.items(), f"trial {number}, start {start}"
            before = rows
        check_complete(folder, before, PLANNED)
        reused = sum(row["attempt"] == 0 for row in rows_of(folder).values())
        assert reused == REUSED
        redone = (root / "written").stat().st_size - REUSED - (PLANNED - reused)  # a byte for each sample written
        assert 0 <= redone <= allowed, f"trial {number}: {redone} samples done again, {allowed} allowed"
        return {WORDS.get(hit, hit) for hit in hits}


def wait_for_kill(marker: Path | None, seconds: float) -> None:
    deadline = time.monotonic() + (60 if marker else seconds)
    while not (marker and marker.exists()) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert marker is None or marker.exists(), "the moment does not come"


def moment(folder: Path) -> str:
    """Where a driver was when it was killed, by what it left."""
    if (folder / "_DONE").exists():
        return "after _DONE"
    if not list(folder.glob("*.open")):
        return "before _DONE" if len(rows_of(folder)) == PLANNED else "engine start"
    return "open part" if len(rows_of(folder)) < PLANNED else "all committed"


def write_plan(root: Path, name: str, count: int) -> None:
    """Documents and prompts of `count` samples in three prefixes; a smaller plan is the beginning of a larger one."""
    for noun in ("documents", "prompts"):
        (root / noun / name).mkdir(parents=True)
    plan = pa.concat_tables([rows(10, first // 10 % 3, first) for first in range(0, count, 10)])
    pq.write_table(plan.select(["passage_id", "title", "text"]), root / "documents" / name / "passages.parquet")
    pq.write_table(plan.drop_columns(["title", "text"]), root / "prompts" / name / "plan-00000.parquet")
    PromptsFolder(root / "prompts" / name).write_basis(TASK, [], [])


@pytest.fixture(autouse=True)
def slow_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes runs of the command line last long enough to be killed; forked drivers have a rate of their own."""
    monkeypatch.setenv(SAMPLES_PER_SECOND, "80")


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    made = Mill(tmp_path, SEED)
    yield made
    made.driver.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_drivers_killed_at_any_moment(mill: Mill) -> None:
    """Forked drivers (tests/crash_driver.py): at each named moment, and at times drawn over an undisturbed run."""
    hits = set().union(*(mill.trial(number) for number in range(TRIALS)))
    assert hits >= {"engine start", "open part", "rename", "before _DONE", "merge", "delete"}, hits


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("point", "victim"),
    [
        pytest.param("open", "driver", marks=pytest.mark.soak),  # waits for Ray's agents to give up
        ("rename", "driver"),
        ("rename", "engine"),
        pytest.param("before_done", "driver", marks=pytest.mark.soak),
    ],
)
def test_a_whole_run_is_killed(
    synthmill: CommandLine, point: str, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line with its own Ray: only the driver is killed, or only the engine's actor."""
    write_corpus(synthmill.folder / "corpus", 40)
    marker, run = synthmill.folder / "marker", synthmill.folder / "run"
    with monkeypatch.context() as patch:
        patch.setenv("SYNTHMILL_STOP_AT", point)
        patch.setenv("SYNTHMILL_STOP_MARKER", str(marker))
        process = synthmill.start(*ARGUMENTS, "collection=corpus")
    wait_until(marker.exists, process)
    family = psutil.Process(process.pid).children(recursive=True)
    rows = rows_of(run / "samples")
    if victim == "engine":
        [engine] = [child for child in family if "EngineActor" in " ".join(child.cmdline())]
        engine.kill()
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
        assert "died; its uncommitted samples are done again" in out
    else:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
        check_nothing_outlives(family, agents=point == "open")
        done = synthmill.run(*ARGUMENTS, "collection=corpus", "samples.num_engines=2", "samples.part_rows=33")
        assert done.returncode == 0, done.stderr
    check_complete(run / "samples", rows, SAMPLES)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_commits_says_how_to_go_on_and_exits_130(synthmill: CommandLine, number: int) -> None:
    write_corpus(synthmill.folder / "corpus", 40)
    arguments = (*ARGUMENTS, "collection=corpus", "samples.part_rows=100000", "samples.part_seconds=1.5")
    process = synthmill.start(*arguments)
    run = synthmill.folder / "run"
    deadline = time.monotonic() + 120
    while not parts_now(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)
    before = committed_ids(parts_now(run))
    send = os.killpg if number == signal.SIGHUP else os.kill  # a terminal that is closed tells every process in it
    send(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "To go on: " in err
    assert " experiment=adapt" in err
    assert "Traceback" not in err
    committed = committed_ids(parts_now(run))
    assert len(before) < len(committed) < SAMPLES, "the open part was committed on the way out"
    assert synthmill.run(*arguments).returncode == 0
    assert SamplesFolder(run / "samples").rows().num_rows == SAMPLES


@pytest.mark.slow
def test_a_second_driver_is_refused(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 40)
    arguments = (*ARGUMENTS, "collection=corpus")
    first = synthmill.start(*arguments)
    lock = synthmill.folder / ".run.lock"
    deadline = time.monotonic() + 60
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    second = synthmill.run(*arguments)
    assert second.returncode == 2
    assert "another synthmill is working on this run" in second.stderr
    assert "run_dir=" in second.stderr
    kill_tree(first.pid)
