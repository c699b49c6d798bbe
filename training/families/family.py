"""The protocol of a family of models, and the families that there are.

In: what a worker is told. Out: for each family the same few answers, so that a worker trains any and knows none. A new
family is a member of `training.config.Family`, a file beside this one, and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from training.config import Family, ModelConfig
from training.families.adapter import Adapter
from training.families.bi_encoder import BiEncoder
from training.families.classifier import Classifier
from training.families.cross_encoder import CrossEncoderFamily
from training.losses.settings import Loss
from training.workers.job import Figures, TrainingJob

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
"""Makes a batch of rows: tokenized texts, and under `label` what the loss compares with."""


class ModelFamily(Protocol):
    """A kind of model: how it is loaded, fed, trained, looked over and saved."""

    @property
    def trainer(self) -> type[Any]:
        """The class of trainers that reads our batches for it (`training.workers.trainer`)."""

    def splits_batches(self, kind: Loss) -> bool:
        """Tells whether a loss can be computed in pieces of a batch, where the activations of all do not fit."""

    def loss(self, job: TrainingJob) -> Loss:
        """Returns the loss that is minimised; `auto` leaves the choice to the memory of the workers."""

    def load(self, job: TrainingJob) -> Any:
        """Loads the base as a model of sentence-transformers in fp32, with the reading length of the finished model."""

    def text_arguments(self, job: TrainingJob) -> dict[str, Any]:
        """Returns the trainer's arguments that are about texts."""

    def collator(self, job: TrainingJob, model: Any) -> Collate | None:
        """Returns what makes a batch of rows; None for a tokenized column per column of texts."""

    def build_loss(
        self, kind: Loss, job: TrainingJob, model: Any, *, world_size: int, on_cpu: bool, in_pieces: bool = False
    ) -> torch.nn.Module:
        """Builds the loss of a kind, which is never `auto`; in pieces where the activations of a batch do not fit."""

    def is_sound(self, model: Any) -> bool:
        """Tells whether all weights are finite numbers, and what the model makes of a text."""

    def save(self, job: TrainingJob, model: Any) -> Figures:
        """Writes the finished model into the job's output, a folder that loads without this project."""


_FAMILIES: Mapping[Family, ModelFamily] = {
    Family.bi_encoder: BiEncoder(),
    Family.cross_encoder: CrossEncoderFamily(),
    Family.classifier: Classifier(),
    Family.adapter: Adapter(),
}


def family_of(config: ModelConfig) -> ModelFamily:
    """Returns the family that a config names."""
    return _FAMILIES[config.family]
