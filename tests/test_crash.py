"""kill -9 at any moment, any number of times: no committed sample lost, none twice.

Two kinds of trials. One starts the command line with a Ray of its own, stops it at a named moment and kills the driver,
or (in the soak; tests/generation/test_pool.py shows the same) the engine's actor: what that shows is that nothing
outlives a driver and that an engine's share is done again. Others kill forked drivers of the samples step (the step,
loops and parts as they are, engines in threads), in every second trial at a named moment, else at times drawn from
start to exit; each is killed up to three times, rerun with other engines and part sizes, and takes some rows over from
an older folder.

SYNTHMILL_CRASH_SEED and SYNTHMILL_CRASH_TRIALS choose other times and more trials for the soak.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.samples.starts import read_starts
from engine.storage.parts import committed_ids
from engine.storage.run_folders import hold_run
from engine.sweeps.written import replacing
from tests.support.command_line import CommandLine, CommandLineHere
from tests.support.corpus import write_corpus
from tests.support.forked import ForkedDrivers, Row, check_complete, rows_of, write_plan
from tests.support.waiting import PATIENCE_SECONDS

SEED = int(os.environ.get("SYNTHMILL_CRASH_SEED", "0"))
TRIALS = int(os.environ.get("SYNTHMILL_CRASH_TRIALS", "60"))
POINT_NAMES = ("open", "writing", "rename", "list", "merge", "delete", "before_done")
FEWEST_TRIALS = 2 * len(POINT_NAMES)
"""Each moment is that of every second trial in turn, so that so many have hit them all, on any machine."""
FEW = (*range(0, FEWEST_TRIALS, 2), *range(1, FEWEST_TRIALS, 6))
"""All of those with a named moment, whose later kills come at drawn times, and some that have no other ones."""
PLANNED, REUSED = 240, 60
SAMPLES = 400

MAX_NUM_SEQS = 8
AGENT_SECONDS = 120

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


def parts_now(run: Path) -> list[Path]:
    """Every part there is: what nobody has listed yet is the next start's."""
    return sorted((run / "samples").glob("attempt-*/part-*.parquet"))


def check_nothing_outlives(family: list[psutil.Process], *, agents: bool) -> None:
    """All of a driver's processes end with it. Ray's two agents need a minute: they report to a Ray that is gone."""
    mine, slow = [], []
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            (slow if process.name().endswith("Agent") else mine).append(process)
    _, left = psutil.wait_procs(mine, timeout=PATIENCE_SECONDS)
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


class Mill(ForkedDrivers):
    """Forked drivers on a store of their own each: a plan of PLANNED rows, of which an older folder holds REUSED."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__()
        self.root, self.seed = root, seed
        write_plan(root / "origin", "old", REUSED)
        write_plan(root / "origin", "new", PLANNED)
        settings = {"name": "old", "engines": 1, "part_rows": 64, "rate": 0.0}
        assert self.run(root / "origin", settings) == 0
        started = time.monotonic()
        shutil.copytree(root / "origin", root / "undisturbed")
        assert self.run(root / "undisturbed", settings | {"name": "new", "rate": 400.0}) == 0
        self.seconds = time.monotonic() - started

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
        return hits


def wait_for_kill(marker: Path | None, seconds: float) -> None:
    deadline = time.monotonic() + (PATIENCE_SECONDS if marker else seconds)
    while not (marker and marker.exists()) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert marker is None or marker.exists(), "the moment does not come"


def moment(folder: Path) -> str:
    """Where a driver was when it was killed, by what it left."""
    if (folder / "_DONE").exists():
        return "after _DONE"
    if len(rows_of(folder)) == PLANNED:
        return "all committed"
    [*_, last] = sorted(folder.glob("attempt-*")) or [folder]
    return "open part" if list(last.glob("part-e*")) else "engine start"


@pytest.fixture(autouse=True)
def slow_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes runs of the command line last long enough to be killed; forked drivers have a rate of their own."""
    monkeypatch.setenv(SAMPLES_PER_SECOND, "80")


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    made = Mill(tmp_path, SEED)
    yield made
    made.process.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "numbers",
    [FEW, pytest.param([number for number in range(TRIALS) if number not in FEW], marks=pytest.mark.soak)],
    ids=["few", "many"],
)
def test_drivers_killed_at_any_moment(mill: Mill, numbers: Sequence[int]) -> None:
    """Forked drivers (tests/support/crash_driver.py): at named moments, and at times drawn over an undisturbed run."""
    hits = set().union(*(mill.trial(number) for number in numbers))
    assert hits >= set(POINT_NAMES), hits


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("point", "victim"),
    [
        pytest.param("open", "driver", marks=pytest.mark.soak),  # waits for Ray's agents to give up
        ("rename", "driver"),
        pytest.param("rename", "engine", marks=pytest.mark.soak),
        pytest.param("before_done", "driver", marks=pytest.mark.soak),
    ],
)
def test_a_whole_run_is_killed(
    synthmill: CommandLine, synthmill_here: CommandLineHere, point: str, victim: str, monkeypatch: pytest.MonkeyPatch
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
        process.wait(PATIENCE_SECONDS)
        check_nothing_outlives(family, agents=point == "open")
        other = ("collection=corpus", "samples.num_engines=2")
        done = synthmill_here.run(*replacing(ARGUMENTS, [*other, "samples.part_rows=33"]))
        assert done.returncode == 0, done.stderr
    check_complete(run / "samples", rows, SAMPLES)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGINT,),
        pytest.param((signal.SIGHUP, signal.SIGINT), marks=pytest.mark.soak),
        pytest.param((signal.SIGTERM,), marks=pytest.mark.soak),
    ],
    ids=["INT", "HUP-INT", "TERM"],
)
def test_an_interrupt_commits_says_how_to_go_on_and_exits_130(
    synthmill: CommandLine,
    synthmill_here: CommandLineHere,
    numbers: tuple[signal.Signals, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One after the other on one run, which ends where nobody interrupts it any more."""
    write_corpus(synthmill.folder / "corpus", 40)
    alone = "samples.part_rows=100000"  # an interrupt alone closes a part
    arguments = replacing(ARGUMENTS, ["collection=corpus", alone])
    folder, committed = synthmill.folder / "run" / "samples", 0
    monkeypatch.setenv(SAMPLES_PER_SECOND, "10")
    for starts, number in enumerate(numbers, 1):
        process = synthmill.start(*arguments)
        wait_until(lambda starts=starts: has_open_part(folder, starts), process)  # type: ignore[misc]
        send = os.killpg if number == signal.SIGHUP else os.kill  # a terminal that is closed tells every process in it
        send(process.pid, number)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130, out + err
        assert "To go on: " in err
        assert " experiment=adapt" in err
        assert "Traceback" not in err
        before, committed = committed, len(committed_ids(parts_now(synthmill.folder / "run")))
        assert before < committed < SAMPLES, "the open part was committed on the way out"
    monkeypatch.delenv(SAMPLES_PER_SECOND)
    assert synthmill_here.run(*arguments).returncode == 0
    assert SamplesFolder(folder).rows().num_rows == SAMPLES


def has_open_part(folder: Path, starts: int) -> bool:
    """Whether the last of so many starts has samples in memory that no part holds, by what it noted."""
    noted = read_starts(folder)
    return len(noted) == starts and any(engine.generated > engine.committed for engine in noted[-1].engines)


def test_a_second_driver_is_refused(synthmill_here: CommandLineHere) -> None:
    write_corpus(synthmill_here.folder / "corpus", 40)
    with hold_run(synthmill_here.folder / "run"):  # as a driver does from its start to its end
        second = synthmill_here.run(*ARGUMENTS, "collection=corpus")
    assert second.returncode == 2
    assert "another synthmill is working on this run" in second.stderr
    assert "run_dir=" in second.stderr
