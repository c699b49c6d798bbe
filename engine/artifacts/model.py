"""What a finished model folder holds: a model, its card, and what training recorded.

In: the folder. Out: its record; the model itself is loaded by its path, as any folder that `save_pretrained` wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.artifacts.validation import ValidationRecord
from engine.storage.store import read_record
from engine.storage.typed import from_json_values


@dataclass(frozen=True)
class Losses:
    """The mean loss of the first and of the last tenth of the steps that were logged."""

    first: float
    last: float


@dataclass(frozen=True)
class ModelRecord:
    """What training did."""

    pairs_per_second: float
    """In steady state: the first steps are left out."""
    steps: int
    examples: int
    epochs: int
    batch_size: int
    learning_rate: float
    examples_per_epoch: int
    """Rows that a whole number of batches holds."""
    loss: Losses
    world_size: int
    precision: str
    loss_kind: str
    resumed_at_step: int
    random_negatives: int
    """Hard negatives that were drawn at random, because mining gave too few."""
    seconds: Mapping[str, float]
    """Time of each phase; `earlier` is that of attempts before the last one, which all others are about."""
    family: str = "bi_encoder"
    """What was made of the base; see `training.config.Family`."""
    base_share: float = 0.0
    """The share of the weights that training began with in the finished ones."""
    iteration: int = 1
    """The number of the iteration, from 1."""
    earlier_steps: int = 0
    """The steps of earlier iterations, together."""
    changed_negatives: float | None = None
    """The share of hard negatives that their row did not have in the iteration before; None in the first one."""
    validation: ValidationRecord | None = None
    """What was measured while the model trained; None where nothing was."""


@dataclass(frozen=True)
class ModelFolder:
    """A finished model folder."""

    path: Path

    def record(self) -> ModelRecord:
        """What the step recorded."""
        return from_json_values(ModelRecord, read_record(self.path).record)
