"""How many engines there are and what each holds; what no cluster could ever place is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.generation.processors import Processors, choose_processors
from engine.runtime.place import Place
from tests.support.jobs import FAKE

ON_CPU = replace(FAKE, gpus_per_engine=0, cpus_per_engine=0)


def test_engines_on_cpu_share_the_cores(place: Place) -> None:
    assert choose_processors(ON_CPU, place) == Processors(1, place.num_cpus, 0)
    assert choose_processors(replace(ON_CPU, num_engines=2), place) == Processors(2, 1, 0)
    assert choose_processors(replace(ON_CPU, cpus_per_engine=1), place) == Processors(1, 1, 0)


def test_engines_that_would_never_be_placed_are_refused(place: Place) -> None:
    with pytest.raises(UserError, match="100 engines of 1 CPU each do not fit") as caught:
        choose_processors(replace(ON_CPU, num_engines=100), place)
    assert caught.value.where == "samples.num_engines=100"
    with pytest.raises(UserError, match="1 engines of 2 GPU each do not fit 0 GPU") as caught:
        choose_processors(replace(ON_CPU, num_engines=1, gpus_per_engine=2), place)
    assert "samples.gpus_per_engine" in caught.value.remedy
