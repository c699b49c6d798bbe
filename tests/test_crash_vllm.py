"""The same with vLLM behind the actor: a run of the real engine is killed at a drawn time and goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from conftest import CommandLine, write_corpus
from test_crash import ARGUMENTS, SEED, check_complete, check_nothing_outlives, rows_of

PLANNED = 80
VLLM = (
    *(argument for argument in ARGUMENTS if argument != "samples=fake" and "fake_samples" not in argument),
    "collection=corpus",
    "prompts.per_passage=2",
    "samples.max_tokens=12",
    "samples.cpus_per_engine=1",
    f"samples.kv_cache_bytes={2**28}",
)


def committed(run: Path) -> int:
    return len(rows_of(run / "samples"))


def trial(synthmill: CommandLine, number: int) -> None:
    """Kills a driver at a time drawn from start to exit, reruns with another part size, and checks the whole."""
    write_corpus(synthmill.folder / "corpus", 40)
    source, run = random.Random(f"vllm-{SEED}-{number}"), synthmill.folder / "run"
    process = synthmill.start(*VLLM)
    if number % 3:  # in two of three the kill falls among the parts, in one anywhere, engine start included
        wait_for_rows(run, process)
    time.sleep(source.uniform(0, 8 if number % 3 else 50))
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    os.kill(process.pid, signal.SIGKILL)
    process.wait(20)
    check_nothing_outlives(family, agents=False)
    rows = rows_of(run / "samples")
    done = synthmill.run(*VLLM, f"samples.part_rows={source.choice([5, 40])}")
    assert done.returncode == 0, done.stderr
    check_complete(run / "samples", rows, PLANNED)


def wait_for_rows(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not committed(run) and process.poll() is None:
        assert time.monotonic() < deadline, "no part is committed"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(3))
def test_vllm_killed_and_rerun(synthmill: CommandLine, number: int) -> None:
    trial(synthmill, number)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(3, 33))
def test_vllm_killed_and_rerun_many_times(synthmill: CommandLine, number: int) -> None:
    trial(synthmill, number)
