"""What a run without an engine says that it waits for."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from engine.generation import shortage
from engine.generation.processors import Processors
from engine.generation.shortage import Shortage
from engine.runtime.capacity import Node
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
    assert "no node that is up holds 1 engine of 1 CPU and 4 GPUs (up are 1 node of " in said
    assert "): if no larger one can come up, lower" in said
    assert said.endswith("lower samples.gpus_per_engine\n")
    said = said_of(Processors(num_engines=1, cpus=64, gpus=0.0), monkeypatch)
    assert "no node that is up holds 1 engine of 64 CPUs (up are 1 node of " in said
    assert said.endswith("lower samples.cpus_per_engine\n")


@pytest.mark.usefixtures("ray_session")
def test_an_engine_whose_cores_and_gpus_lie_on_different_nodes_fits_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortage, "nodes_in_all", lambda: (Node(16), Node(8, 1), Node(8, 1)))
    said = said_of(Processors(num_engines=2, cpus=16, gpus=1.0), monkeypatch)
    up = "1 node of 16 CPUs, 2 nodes of 8 CPUs and 1 GPU"
    what = f"no node that is up holds 1 engine of 16 CPUs and 1 GPU (up are {up}): if no larger one can come up"
    assert said.endswith(f"{what}, lower samples.cpus_per_engine\n"), "both amounts are there, and the nodes are named"


@pytest.mark.usefixtures("ray_session")
def test_engines_that_a_node_can_hold_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of(Processors(num_engines=1, cpus=1, gpus=0.0), monkeypatch)
    assert "waiting for 1 CPUs: the cluster has" in said
    assert "per_engine" not in said
