"""Builds the loss that a worker of a bi-encoder minimises from its name in the config.

In: a member of `training.config.Loss`, the config and the model. Out: a torch module. A new loss is a member of that
enum, its traits in `combinations.py`, and a function here or in a file beside this one, named in one of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from sentence_transformers import SentenceTransformer

from training.config import ModelConfig
from training.losses.denoising import denoising_loss
from training.losses.distillation import kl_loss, margin_mse_loss
from training.losses.graded import contrastive_loss, cosent_loss, cosine_loss
from training.losses.matryoshka import in_dimensions
from training.losses.pieces import LossInPieces
from training.losses.ragged import RaggedLoss
from training.losses.ranking import cached_ranking_loss, guided_loss, guided_loss_in_pieces, piece_rows, ranking_loss
from training.losses.settings import Loss
from training.losses.triplet import triplet_loss

_OF_VECTORS: Mapping[Loss, Callable[[ModelConfig, SentenceTransformer, int], torch.nn.Module]] = {
    Loss.mnrl: ranking_loss,
    Loss.triplet: triplet_loss,
    Loss.contrastive: contrastive_loss,
    Loss.cosine: cosine_loss,
    Loss.cosent: cosent_loss,
    Loss.margin_mse: margin_mse_loss,
    Loss.kl: kl_loss,
}
"""The losses that are computed from the vectors of a batch, each by a function of the config, the model and the
number of workers."""
_COMPARE_ROWS = frozenset({Loss.cosent})
"""Those that compare rows with each other and know nothing of workers."""


class LossFunction(Protocol):
    """A function that builds a loss which embeds its batch itself."""

    def __call__(
        self, config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
    ) -> torch.nn.Module:
        """Builds the loss; see `build_loss` for the arguments."""


_OF_TOKENS: Mapping[Loss, LossFunction] = {
    Loss.cached_mnrl: cached_ranking_loss,
    Loss.gist: guided_loss,
    Loss.denoising: denoising_loss,
}


def build_loss(
    kind: Loss,
    config: ModelConfig,
    model: SentenceTransformer,
    *,
    world_size: int,
    on_cpu: bool,
    in_pieces: bool = False,
) -> torch.nn.Module:
    """Builds the loss of a kind.

    Args:
        kind: any loss of a bi-encoder but `auto`, for which `training.losses.auto.choose_loss` has decided by then.
        config: the model's config.
        model: the model that is trained.
        world_size: the number of workers; with several, losses that compare rows gather embeddings across them.
        on_cpu: whether the model computes on a CPU.
        in_pieces: whether the activations of a batch do not fit into memory; losses of vectors are then computed in
            pieces of `mini_batch_size` rows, which changes neither them nor their gradients.
    """
    assert kind is not Loss.auto, "which loss fits is decided before it is built"
    if kind is Loss.gist and in_pieces:
        return in_dimensions(config, model, guided_loss_in_pieces(config, model, world_size=world_size, on_cpu=on_cpu))
    if kind in _OF_TOKENS:
        return in_dimensions(config, model, _OF_TOKENS[kind](config, model, world_size=world_size, on_cpu=on_cpu))
    loss = RaggedLoss(
        model,
        _OF_VECTORS[kind](config, model, world_size),
        tokens_per_pass=config.tokens_per_pass if on_cpu else 0,
        gathers=kind in _COMPARE_ROWS and world_size > 1,
    )
    if in_pieces:
        rows = piece_rows(config, on_cpu=on_cpu)
        return in_dimensions(config, model, LossInPieces(model, loss.of_vectors, rows=rows))
    return in_dimensions(config, model, loss)
