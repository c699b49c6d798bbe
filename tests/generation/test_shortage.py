"""What a run without an engine says that it waits for."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from engine.generation import shortage
from engine.generation.processors import Processors
from engine.generation.shortage import Shortage
from engine.runtime.console import Console


def said_of(processors: Processors, monkeypatch: pytest.MonkeyPatch) -> str:
    """The line about a group of which no engine has been placed."""
    monkeypatch.setattr(shortage, "NEWS_SECONDS", 0.0)
    file = io.StringIO()
    Shortage(Console(RichConsole(file=file, width=300)), processors).say([])
    return file.getvalue()


@pytest.mark.usefixtures("ray_session")
def test_engines_that_no_node_can_hold_say_so_and_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of(Processors(num_engines=2, cpus=1, gpus=4.0), monkeypatch)
    assert "waiting for 8 GPUs: the cluster has 0, of which 0 are free; " in said
    assert "an engine takes 4 of one node, and the largest that is up has 0: if no larger one can come up" in said
    assert said.endswith("lower samples.gpus_per_engine\n")
    said = said_of(Processors(num_engines=1, cpus=64, gpus=0.0), monkeypatch)
    assert "an engine takes 64 of one node" in said
    assert said.endswith("lower samples.cpus_per_engine\n")


@pytest.mark.usefixtures("ray_session")
def test_engines_that_a_node_can_hold_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of(Processors(num_engines=1, cpus=1, gpus=0.0), monkeypatch)
    assert "waiting for 1 CPUs: the cluster has" in said
    assert "per_engine" not in said
