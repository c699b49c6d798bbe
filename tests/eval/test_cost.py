"""Engine time, prices, and figures that are left out where they cannot be known."""

from __future__ import annotations

import pytest

from engine.generation.totals import engine_time
from eval.cost import Prices, cost_figures, price_of

PROMPTS = {"planned": 100, "prompt_tokens": 50_000}
SAMPLES = {
    "generated": 90,
    "prompt_tokens": 40_000,
    "output_tokens": 2000,
    "cost": {"cpu_seconds": 7200.0, "gpu_seconds": 3600.0},
}


def engine(first: float, last: float, cpus: int, gpus: int = 0) -> dict[str, float]:
    return {"first_admitted": first, "last_committed": last, "cpus": cpus, "gpus": gpus}


def test_each_engine_counts_with_its_own_seconds_and_processors() -> None:
    engines = [engine(100.0, 110.0, 4), engine(105.0, 110.0, 4), engine(0.0, 0.0, 4)]
    assert engine_time(engines) == {"cpu_seconds": 60.0, "gpu_seconds": 0.0}
    assert engine_time([engine(100.0, 110.0, 1, 2)]) == {"cpu_seconds": 10.0, "gpu_seconds": 20.0}
    assert engine_time([]) == {"cpu_seconds": 0.0, "gpu_seconds": 0.0}


def test_an_engine_that_committed_nothing_costs_no_negative_time() -> None:
    assert engine_time([engine(100.0, 0.0, 4)])["cpu_seconds"] == 0.0


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
    assert price_of({"cpu_seconds": cpu, "gpu_seconds": gpu}, prices) == price


def test_the_forecast_stands_beside_what_it_was() -> None:
    figures = cost_figures(PROMPTS, SAMPLES, 60, 48, Prices(per_gpu_hour=3.0))
    assert figures["forecast"] == {"samples": 100, "prompt_tokens": 50_000, "output_tokens": 4800}
    assert figures["real"] == {"samples": 90, "prompt_tokens": 40_000, "output_tokens": 2000}
    assert figures["tokens_per_kept"] == 700.0
    assert (figures["price"], figures["price_per_1000_kept"]) == (3.0, 50.0)


def test_what_is_not_known_is_none() -> None:
    figures = cost_figures({"planned": 5}, {"generated": 5}, 0, None, Prices(per_cpu_hour=1.0))
    assert figures["forecast"] == {"samples": 5, "prompt_tokens": None, "output_tokens": None}
    unknown = ("cpu_seconds", "gpu_seconds", "price", "tokens_per_kept", "price_per_1000_kept")
    assert {figures[name] for name in unknown} == {None}


def test_nothing_kept_divides_by_nothing() -> None:
    figures = cost_figures(PROMPTS, SAMPLES, 0, 48, Prices(per_gpu_hour=3.0))
    assert (figures["tokens_per_kept"], figures["price"], figures["price_per_1000_kept"]) == (None, 3.0, None)
