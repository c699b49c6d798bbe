"""How many engines there are and what each holds; what no node could ever hold is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorKind
from engine.generation.processors import Processors, choose_processors, settle_gpus, share_out
from engine.runtime.capacity import Capacity, Node
from engine.runtime.place import Place
from tests.support.jobs import FAKE

ON_CPU = replace(FAKE, gpus_per_engine=0, cpus_per_engine=0)


def test_engines_on_cpu_share_the_cores(place: Place) -> None:
    assert choose_processors(ON_CPU, place) == Processors(1, place.num_cpus, 0)
    assert choose_processors(replace(ON_CPU, num_engines=2), place) == Processors(2, 1, 0)
    assert choose_processors(replace(ON_CPU, cpus_per_engine=1), place) == Processors(1, 1, 0)


def test_engines_that_would_never_be_placed_are_refused(place: Place) -> None:
    with pytest.raises(UserError, match="100 engines of 1 CPU each do not fit 1 node of 6 CPUs") as caught:
        choose_processors(replace(ON_CPU, num_engines=100), place)
    assert caught.value.where == "samples.num_engines=100"
    with pytest.raises(UserError, match="1 engine of 1 CPU and 2 GPUs does not fit") as caught:
        choose_processors(replace(ON_CPU, num_engines=1, gpus_per_engine=2), place)
    assert "samples.gpus_per_engine" in caught.value.remedy


def test_an_engine_has_the_gpus_of_one_node() -> None:
    nodes = (Node(8, 3), Node(8, 1), Node(64))
    capacity = Capacity(nodes, nodes)
    assert share_out(replace(ON_CPU, gpus_per_engine=1), capacity) == Processors(4, 1, 1)
    assert share_out(replace(ON_CPU, gpus_per_engine=2), capacity) == Processors(1, 1, 2), "not two of 4 GPUs"
    assert share_out(replace(ON_CPU, gpus_per_engine=0.5), capacity) == Processors(8, 1, 0.5)
    assert share_out(replace(ON_CPU, gpus_per_engine=0.4), capacity) == Processors(8, 1, 0.4), "two on each GPU"


def test_no_gpu_is_idle_for_want_of_a_whole_cpu() -> None:
    """The driver of a job holds one of the eight CPUs: eight engines of one each would be refused."""
    nodes = (Node(7, 8),)
    place: Any = SimpleNamespace(capacity=lambda: Capacity(nodes, nodes), check_room=lambda *_, **__: None)
    chosen = choose_processors(replace(ON_CPU, gpus_per_engine=1), place)
    assert (chosen.num_engines, chosen.cpus, chosen.gpus) == (8, 1, 1)
    assert 0.8 < chosen.asked_cpus <= 6.75 / 8
    told = choose_processors(replace(ON_CPU, gpus_per_engine=1, cpus_per_engine=1), place)
    assert told.asked_cpus == 1, "what somebody has set is asked for"
    assert str(chosen) == "8 engines of 1 CPU and 1 GPU each"


def test_gpus_that_may_come_up_are_asked_for_though_none_is_up() -> None:
    on_gpu = replace(ON_CPU, gpus_per_engine=1)
    assert share_out(on_gpu, Capacity((Node(8),), (Node(8),), gpus_on_demand=4)) == Processors(4, 1, 1)
    up = (Node(8), Node(8, 8))
    assert share_out(on_gpu, Capacity(up, up, gpus_on_demand=4)).num_engines == 8, "those that are up may be more"
    assert share_out(replace(on_gpu, num_engines=2), Capacity(up, up, gpus_on_demand=4)).num_engines == 2


@pytest.mark.parametrize(
    ("kind", "given", "on_demand", "gpus"),
    [("vllm", -1.0, 4, 1), ("vllm", -1.0, 0, 0), ("vllm", 0.5, 4, 0.5), ("vllm", 0.0, 4, 0), ("fake", -1.0, 4, 0)],
)
def test_an_engine_has_a_gpu_where_one_may_come_up(kind: str, given: float, on_demand: float, gpus: float) -> None:
    nodes = (Node(8),)
    place: Any = SimpleNamespace(
        cluster=SimpleNamespace(address="auto"),
        capacity=lambda: Capacity(nodes, nodes, may_grow=True, gpus_on_demand=on_demand),
    )
    config = replace(FAKE, generator=GeneratorKind(kind), gpus_per_engine=given)
    assert settle_gpus(config, place).gpus_per_engine == gpus


def test_an_engine_on_cpu_has_the_cores_of_one_node_and_not_of_the_driver() -> None:
    nodes = (Node(1), Node(4), Node(2))
    assert share_out(ON_CPU, Capacity(nodes, nodes)) == Processors(1, 4, 0)
    assert share_out(replace(ON_CPU, num_engines=3), Capacity(nodes, nodes)) == Processors(3, 2, 0)
