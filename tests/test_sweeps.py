"""A sweep that is killed at any moment goes on: no step is made twice, no point is lost, none is started when finished.

The whole is in the soak; one kill of a grid of cheap points stands for it in `make test`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from engine.storage.store import is_done
from tests.support.command_line import CommandLine
from tests.support.corpus import write_corpus
from tests.support.waiting import wait_until

GIVEN = ("-m", "hydra/launcher=ray", "experiment=adapt", "samples=fake", "collection=corpus", "tracking=off")


def kill(process: subprocess.Popen[str]) -> None:
    """Kills the sweep alone; its points have to notice by themselves."""
    points = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for point in points:
        with contextlib.suppress(psutil.NoSuchProcess):
            wait_until(lambda point=point: not point.is_running() or point.status() == "zombie", "the end of a point")


def made(folder: Path, noun: str) -> dict[str, int]:
    """The finished folders of a noun, with the moment at which each was finished."""
    folders = (folder / "runs" / "store" / noun).glob("[0-9a-f]*")
    return {entry.name: (entry / "_DONE").stat().st_mtime_ns for entry in folders if is_done(entry)}


@pytest.mark.slow
def test_a_grid_that_was_killed_goes_on(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 12)
    arguments = (*GIVEN, "until=prompts", "prompts.per_passage=1,2")
    started = synthmill.start(*arguments)
    wait_until(lambda: made(synthmill.folder, "documents"), "the documents")
    kill(started)
    documents = made(synthmill.folder, "documents")
    done = synthmill.run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made(synthmill.folder, "documents") == documents, "the points share them, and they were made once"
    assert len(made(synthmill.folder, "prompts")) == 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_six_points_killed_twice(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 40)
    rates = "model.learning_rate=1e-5,2e-5,3e-5,4e-5,5e-5,6e-5"
    small = ("until=model", "model.epochs=1", "prompts.per_passage=5", rates)
    draws = random.Random(int(os.environ.get("SYNTHMILL_CRASH_SEED", "0")))
    for number in range(2):
        started = synthmill.start(*GIVEN, *small)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(draws.uniform(15, 60) + 40 * number)
        kill(started)
        before = {
            noun: made(synthmill.folder, noun) for noun in ("documents", "prompts", "samples", "examples", "model")
        }
    done = synthmill.run(*GIVEN, *small, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    after = {noun: made(synthmill.folder, noun) for noun in before}
    assert [len(after[noun]) for noun in after] == [1, 1, 1, 1, 6]
    assert all(after[noun].items() >= before[noun].items() for noun in after), "what was finished was not made again"
    assert synthmill.run(*GIVEN, *small).stdout.count("unchanged") >= 6


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_sweeps_at_once_make_each_step_once(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 40)
    arguments = (*GIVEN, "until=samples", "prompts.per_passage=5,6")
    together = [synthmill.start(*arguments) for _ in range(2)]
    for process in together:
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, out + err
    assert [len(made(synthmill.folder, noun)) for noun in ("documents", "prompts", "samples")] == [1, 2, 2]
