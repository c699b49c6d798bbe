"""Peak memory of the process tree: children count, shared pages count once, the dead count nothing."""

import contextlib
import itertools
import os
import subprocess
import sys
import time

import psutil
import pytest

from engine.runtime.memory import MemorySampler, process_bytes, tree_bytes
from tests.support.waiting import wait_until

MEGABYTE = 10**6
CHILD = "import sys; block = bytearray(b'x') * int(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Ray of other tests counts nothing here: its workers come and go."""
    others = {process.pid for process in psutil.Process().children(recursive=True)}

    def bytes_of(process: psutil.Process) -> int:
        with contextlib.suppress(psutil.NoSuchProcess):
            if others & {process.pid, process.ppid()}:
                return 0
        return process_bytes(process)

    monkeypatch.setattr("engine.runtime.memory.process_bytes", bytes_of)


def child(num_bytes: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(num_bytes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_child_of_200_megabytes_is_seen_and_remembered() -> None:
    before = tree_bytes()  # may shrink by some megabytes: what another process maps too then counts half
    with MemorySampler(seconds=0.02, cost_share=1).running() as sampler:
        with child(200 * MEGABYTE) as process:
            wait_until(lambda: sampler.peak_bytes() > before + 170 * MEGABYTE, "a sample of the child")
            assert process.stdin
            process.stdin.close()
        ended = tree_bytes()
    assert 170 * MEGABYTE < sampler.peak_bytes() - before < 260 * MEGABYTE
    assert ended < before + 100 * MEGABYTE, "the peak outlives the child"


def test_counts_grandchildren() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]])"
    before = tree_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", nested, CHILD, str(100 * MEGABYTE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        assert tree_bytes() - before > 100 * MEGABYTE
        assert process.stdin
        process.stdin.close()


def test_a_page_shared_by_two_counts_half_in_each() -> None:
    block = bytearray(b"x") * (100 * MEGABYTE)
    alone = process_bytes(psutil.Process())
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    try:
        assert alone - process_bytes(psutil.Process()) > 40 * MEGABYTE
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert len(block) == 100 * MEGABYTE


def test_a_process_that_is_gone_has_none() -> None:
    with child(MEGABYTE) as process:
        ended = psutil.Process(process.pid)
        assert process_bytes(ended) > MEGABYTE
        assert process.stdin
        process.stdin.close()
    assert process_bytes(ended) == 0
    assert process_bytes(psutil.Process()) > MEGABYTE


def test_a_tree_that_takes_long_to_read_is_read_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def slow() -> int:
        reads.append(time.monotonic())
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return len(reads)

    monkeypatch.setattr("engine.runtime.memory.tree_bytes", slow)
    with MemorySampler(seconds=0.01, cost_share=0.1).running() as sampler:
        wait_until(lambda: len(reads) > 2, "a third look")
    assert min(later - earlier for earlier, later in itertools.pairwise(reads)) > 0.2
    assert sampler.peak_bytes() == len(reads)


def test_no_pause_is_longer_than_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.memory._LONGEST_PAUSE_SECONDS", 0.05)
    before = tree_bytes()
    with MemorySampler(seconds=0.01, cost_share=1e-9).running() as sampler, child(60 * MEGABYTE) as process:
        wait_until(lambda: sampler.peak_bytes() > before + 40 * MEGABYTE, "a look, though the share asks for minutes")
        assert process.stdin
        process.stdin.close()


def test_samples_again_after_a_pause() -> None:
    sampler = MemorySampler(seconds=0.01, cost_share=1)
    for _ in range(2):
        with sampler.running():
            time.sleep(0.05)
    first = sampler.peak_bytes()
    assert first > MEGABYTE
    with sampler.running(), child(60 * MEGABYTE) as process:
        wait_until(lambda: sampler.peak_bytes() > first + 40 * MEGABYTE, "a sample of the child")
        assert process.stdin
        process.stdin.close()
