"""Asks for checkpoints by the clock: about every minute, and rarely enough to cost little, however fast steps are.

It is imported in training workers only. In: when steps begin and end. Out: the request for a checkpoint, after the same
step on all ranks, which agree on how many steps lie between two of them.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from transformers import TrainerCallback

from training.workers.agreement import largest_on_all_ranks

SECONDS = 60.0
"""The time between two checkpoints: what a training that is killed loses at most."""
_MOST_SHARE = 0.02
"""The share of the time that checkpoints may take: those of a large model come less often."""
_LOOKS = (1, 2, 4, 8)
"""After so many steps the ranks look at their pace."""


class PacedCheckpoints(TrainerCallback):
    """Asks the trainer for a checkpoint where it is time for one.

    Args:
        device: what this rank computes on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._every, self._steps, self._saved = 0, 0, 0
        self._began, self._ended = 0.0, 0.0
        self._is_saving, self._saving_seconds, self._longest_save = False, 0.0, 0.0

    def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Notes where this attempt begins: a checkpoint of that step is there, or none is needed."""
        self._saved = state.global_step

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Measures what the last checkpoint took."""
        now = time.perf_counter()
        self._began = self._began or now
        if self._is_saving:
            took = now - self._ended
            self._saving_seconds += took
            self._longest_save = max(self._longest_save, took)
            self._is_saving, self._ended = False, now
            self._agree()

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Asks for a checkpoint, but not where the training ends."""
        self._ended = time.perf_counter()
        self._steps += 1
        if self._steps in _LOOKS:
            self._agree()
        is_due = state.global_step - self._saved >= self._every
        if is_due and state.global_step < state.max_steps and not control.should_training_stop:
            control.should_save = True
            self._saved, self._is_saving = state.global_step, True

    def _agree(self) -> None:
        """Computes the steps between two checkpoints from the pace so far, the most of all ranks."""
        pace = (self._ended - self._began - self._saving_seconds) / self._steps
        self._every = largest_on_all_ranks(steps_between(pace, self._longest_save), self._device)


def steps_between(pace: float, save: float) -> int:
    """Returns how many steps lie between two checkpoints.

    Args:
        pace: the seconds of a step.
        save: the seconds that a checkpoint takes; 0 where that is not known yet.
    """
    return max(1, math.ceil(max(SECONDS, save / _MOST_SHARE) / max(pace, 1e-6)))
