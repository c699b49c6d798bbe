"""Prices are of what was used, and figures that cannot be known are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.artifacts.samples import EngineTime
from eval.cost import Amounts, Prices, cost_figures, price_of
from tests.support.small_run import PROMPTS_RECORD, SAMPLES_RECORD

PROMPTS = replace(PROMPTS_RECORD, planned=100, prompt_tokens=50_000)
SAMPLES = replace(
    SAMPLES_RECORD,
    generated=90,
    prompt_tokens=40_000,
    output_tokens=2000,
    cost=EngineTime(cpu_seconds=7200.0, gpu_seconds=3600.0),
)


@pytest.mark.parametrize(
    ("cpu", "gpu", "prices", "price"),
    [
        (3600.0, 0.0, Prices(per_cpu_hour=0.05), 0.05),
        (3600.0, 7200.0, Prices(per_gpu_hour=2.5), 5.0),
        (3600.0, 7200.0, Prices(per_gpu_hour=2.5, per_cpu_hour=0.05), 5.05),
        (3600.0, 7200.0, Prices(per_cpu_hour=0.05), None),
        (3600.0, 0.0, Prices(per_gpu_hour=2.5), None),
        (3600.0, 0.0, Prices(), None),
    ],
)
def test_a_price_is_of_what_was_used_or_unknown(cpu: float, gpu: float, prices: Prices, price: float | None) -> None:
    assert price_of(EngineTime(cpu, gpu), prices) == price


def test_the_forecast_stands_beside_what_it_was() -> None:
    cost = cost_figures(PROMPTS, SAMPLES, 60, 48, Prices(per_gpu_hour=3.0))
    assert cost.forecast == Amounts(samples=100, prompt_tokens=50_000, output_tokens=4800)
    assert cost.real == Amounts(samples=90, prompt_tokens=40_000, output_tokens=2000)
    assert cost.tokens_per_kept == 700.0
    assert (cost.price, cost.price_per_1000_kept) == (3.0, 50.0)


def test_what_is_not_known_is_none() -> None:
    cost = cost_figures(PROMPTS, SAMPLES, 60, None, Prices(per_cpu_hour=1.0))
    assert cost.forecast == Amounts(samples=100, prompt_tokens=50_000, output_tokens=None)
    assert (cost.price, cost.price_per_1000_kept) == (None, None)
    assert (cost.cpu_seconds, cost.gpu_seconds, cost.tokens_per_kept) == (7200.0, 3600.0, 700.0)


def test_nothing_kept_divides_by_nothing() -> None:
    cost = cost_figures(PROMPTS, SAMPLES, 0, 48, Prices(per_gpu_hour=3.0))
    assert (cost.tokens_per_kept, cost.price, cost.price_per_1000_kept) == (None, 3.0, None)
