"""What the samples step can be told beside its generator: rounds, when a run is wrong as a whole, and prices.

In: YAML under `samples`. Out: a frozen config, checked when it is made. All that engines need to know is
GeneratorConfig's, so that others who have something written need nothing of this step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import check_setting
from engine.generation.config import GeneratorConfig, at_least
from engine.runtime.identity import placement


@dataclass(frozen=True)
class SamplesConfig(GeneratorConfig):
    """The model that writes the samples, in how many rounds, and what that may cost."""

    rounds: int = at_least(1, 1)
    """Rounds in which samples are planned: each re-weights conditions and passages by what was kept before it."""
    max_failed_share: float = placement(0.5)
    """A run is stopped as wrong when more than this share of its samples failed: of at least 50, or of all. Samples
    that a turn's `keep_if` turned down do not count."""
    output: str = placement("")
    """Of batch inference: one file with all rows and their answers, .jsonl, .parquet or .csv; empty: none."""
    price_per_gpu_hour: float = at_least(0, 0.0)
    """Price of one GPU-hour for the report's table of cost, in a currency of yours; 0: unknown."""
    price_per_cpu_hour: float = at_least(0, 0.0)
    """Price of one core-hour, which is added to the GPU price where both are set; 0: unknown."""

    @classmethod
    def check(cls, values: Mapping[str, Any], where: Callable[[str], str]) -> None:
        """Refuses values that no engine takes, and shares that are none; see GeneratorConfig."""
        super().check(values, where)
        share = values["max_failed_share"]
        check_setting(0 <= share <= 1, f"{where('max_failed_share')}.max_failed_share", share, "from 0 to 1")
