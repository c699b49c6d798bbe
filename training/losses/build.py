"""Builds the loss that a worker minimises from its name in the config.

In: a member of `training.config.Loss`, the config and the model. Out: a torch module. A new loss is a member of that
enum and a function here or in a file beside this one, named in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from sentence_transformers import SentenceTransformer

from training.config import Loss, ModelConfig
from training.losses.ranking import cached_ranking_loss, ranking_loss


class LossFunction(Protocol):
    """A function that builds one kind of loss."""

    def __call__(
        self, config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
    ) -> torch.nn.Module:
        """Builds the loss; see `build_loss` for the arguments."""


_LOSSES: Mapping[Loss, LossFunction] = {Loss.mnrl: ranking_loss, Loss.cached_mnrl: cached_ranking_loss}


def build_loss(
    kind: Loss, config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
) -> torch.nn.Module:
    """Builds the loss of a kind.

    Args:
        kind: any member but `auto`, for which `training.losses.auto.choose_loss` has decided by then.
        config: the model's config.
        model: the model that is trained.
        world_size: the number of workers; with several, embeddings are gathered across them.
        on_cpu: whether the model computes on a CPU.
    """
    assert kind is not Loss.auto, "which loss fits is decided before it is built"
    return _LOSSES[kind](config, model, world_size=world_size, on_cpu=on_cpu)
