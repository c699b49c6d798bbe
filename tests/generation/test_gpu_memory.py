"""Waiting for the memory of a GPU, with a program in the place of nvidia-smi that answers as it does."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.generation import gpu_memory
from engine.generation.gpu_memory import free_shares, wait_for_gpu_memory

FREED_LATER = """#!/bin/sh
echo "$@" >> {calls}
[ "$(wc -l < {calls})" -lt 3 ] && echo "1000, 24000" || echo "23000, 24000"
echo "24000, 24000"
"""
"""The first of two GPUs is free when it is asked for the third time."""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that each call of the program leaves its arguments in."""
    program, calls = tmp_path / "nvidia-smi", tmp_path / "calls"
    program.write_text(FREED_LATER.format(calls=calls))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setattr(gpu_memory, "_POLL_SECONDS", 0.01)
    return calls


def test_an_engine_waits_until_its_share_of_every_gpu_is_free(calls: Path) -> None:
    wait_for_gpu_memory(0.92)
    asked = calls.read_text().splitlines()
    assert len(asked) == 3
    assert asked[0] == "--query-gpu=memory.free,memory.total --format=csv,noheader,nounits --id=2,3"


def test_it_does_not_wait_for_ever(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()  # a second goes by whenever it is looked at
    monkeypatch.setattr(gpu_memory, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    wait_for_gpu_memory(0.99, timeout_seconds=5)
    assert len(calls.read_text().splitlines()) > 3


def test_without_a_driver_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wait_for_gpu_memory(0.92)


def test_lines_without_numbers_are_left_out() -> None:
    assert free_shares("20000, 80000\n[N/A], [N/A]\nNo devices were found\n") == [0.25]
