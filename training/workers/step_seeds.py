"""The random numbers of each step hang on the run's seed, the step and the rank, and on nothing that came before.

In: the beginning of a step. Out: torch's generators, seeded. So a training that goes on from a checkpoint draws the
dropout that it would have drawn, whatever was drawn in between (by a validation, or by another process that died); and
no two ranks draw alike.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from engine.text.hashes import text_hash


class StepSeeds(TrainerCallback):
    """Seeds torch before each step.

    Args:
        seed: that of the model's config.
        rank: that of this process.
        earlier_steps: the steps of earlier iterations, so that no two iterations draw alike.
    """

    def __init__(self, seed: int, rank: int, earlier_steps: int = 0) -> None:
        self._seed, self._rank, self._earlier_steps = seed, rank, earlier_steps

    def on_step_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Seeds the generators of the CPU and of all GPUs."""
        step = self._earlier_steps + state.global_step
        torch.manual_seed(text_hash(f"dropout {self._seed} {self._rank} {step}") >> 1)
