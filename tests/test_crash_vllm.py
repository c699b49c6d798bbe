"""The same as tests/test_crash.py with vLLM behind the actor: a run is killed three times and goes on. In the soak."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from engine.sweeps.written import replacing
from tests.support.command_line import CommandLine, CommandLineHere
from tests.support.corpus import write_corpus
from tests.support.forked import check_complete, rows_of
from tests.support.models import write_tiny_llama
from tests.support.waiting import PATIENCE_SECONDS
from tests.test_crash import ARGUMENTS, SEED, check_nothing_outlives

PLANNED = 200
KILLS = 3
VLLM = replacing(
    [argument for argument in ARGUMENTS if argument != "samples=fake"],
    [
        "collection=corpus",
        "prompts.per_passage=5",
        "samples.max_tokens=12",
        "samples.context_tokens=1024",
        "samples.cpus_per_engine=1",
        f"samples.kv_cache_bytes={2**28}",
    ],
)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(21))
def test_vllm_killed_and_rerun(synthmill: CommandLine, synthmill_here: CommandLineHere, number: int) -> None:
    """Kills drivers of one run, each with another part size, checks after each, and then runs it to its end."""
    write_corpus(synthmill.folder / "corpus", 40)
    # Of random weights: what is written is no matter here, and each engine is there sooner.
    arguments = (*VLLM, f"samples.model={write_tiny_llama(synthmill.folder / 'tiny')}")
    source, folder = random.Random(f"vllm-{SEED}-{number}"), synthmill.folder / "run" / "samples"
    before = rows_of(folder)
    for kill in range(KILLS):
        process = synthmill.start(*replacing(arguments, [f"samples.part_rows={source.choice([5, 16, 40])}"]))
        if kill:  # the first kill falls anywhere from the start on, the others among the parts
            wait_for_rows(folder, len(before), process)
        time.sleep(source.uniform(0, 3 if kill else 40))
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_SECONDS)
        check_nothing_outlives(family, agents=False)
        rows = rows_of(folder)
        assert before.items() <= rows.items(), f"kill {kill}: committed rows stay as they are"
        before = rows
    done = synthmill_here.run(*arguments)
    assert done.returncode == 0, done.stderr
    check_complete(folder, before, PLANNED)


def wait_for_rows(folder: Path, more_than: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while len(rows_of(folder)) <= more_than and process.poll() is None:
        assert time.monotonic() < deadline, "no part is committed"
        time.sleep(0.2)
