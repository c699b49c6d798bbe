"""What the samples step can be told beside its generator: it changes nothing of what is made, and is checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.samples.config import SamplesConfig
from tests.support.jobs import FAKE


def test_rounds_prices_and_failures_are_not_what_it_makes() -> None:
    other = replace(FAKE, rounds=3, max_failed_share=0.1, price_per_gpu_hour=2.0, price_per_cpu_hour=0.1)
    assert identity_of(other) == identity_of(FAKE)
    assert other.engines_key() == FAKE.engines_key(), "and needs no other engines"


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("rounds", 0, "1 or more"),
        ("max_failed_share", 1.5, "from 0 to 1"),
        ("price_per_gpu_hour", -1.0, "0 or more"),
        ("price_per_cpu_hour", -1.0, "0 or more"),
        ("temperature", -1.0, "0 or more"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: float, bounds: str) -> None:
    with pytest.raises(UserError, match=f"{value} is out of range") as caught:
        SamplesConfig(seed=0, **{name: value})  # type: ignore[arg-type]  # one of several types
    assert caught.value.where == f"samples.{name}={value}"
    assert caught.value.remedy == f"set it to {bounds}"
