"""kill -9 at any moment, any number of times: no committed sample lost, none twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CommandLine, write_corpus

from engine.parts import committed_ids, committed_parts, read_samples

SAMPLES = 400
ARGUMENTS = (
    "experiment=adapt",
    "samples=fake",
    "until=samples",
    "tracking=off",
    "prompts.per_passage=10",
    "samples.fake_samples_per_second=80",
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


def rows_by_id(parts: list[Path]) -> dict[int, str]:
    table = pa.concat_tables([pq.read_table(part, columns=["sample_id", "text"]) for part in parts])
    return dict(zip(table["sample_id"].to_pylist(), table["text"].to_pylist(), strict=True))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_in_generation_and_rerun(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 40)
    arguments = (*ARGUMENTS, "collection=corpus")
    run, seed = synthmill.folder / "run", random.Random(7)
    seen: dict[int, str] = {}
    for attempt in range(2):
        process = synthmill.start(*arguments)
        before = len(parts_now(run))
        deadline = time.monotonic() + 120
        while len(parts_now(run)) < before + 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(seed.random() * 0.4)
        kill_tree(process.pid)
        parts = parts_now(run)
        assert parts, f"attempt {attempt} was killed before anything was committed"
        rows = rows_by_id(parts)
        assert len(rows) == len(committed_ids(parts)) < SAMPLES, "killed in the middle, with no id in two parts"
        assert seen.items() <= rows.items(), "committed rows stay as they are"
        seen = rows
    finished = synthmill.run(*arguments)
    assert finished.returncode == 0, finished.stderr
    table = read_samples(run / "samples")
    assert table["sample_id"].to_pylist() == list(range(SAMPLES))
    assert seen.items() <= dict(zip(table["sample_id"].to_pylist(), table["text"].to_pylist(), strict=True)).items()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "To go on: " in err
    assert " experiment=adapt" in err
    assert "Traceback" not in err
    committed = committed_ids(parts_now(run))
    assert len(before) < len(committed) < SAMPLES, "the open part was committed on the way out"
    assert synthmill.run(*arguments).returncode == 0
    assert read_samples(run / "samples").num_rows == SAMPLES


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
