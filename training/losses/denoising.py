"""The denoising auto-encoder (TSDAE, Wang et al. 2021): a decoder writes a text from the vector of what is left of it.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of two tokenized columns, the
damaged texts (`training.batches.noise`) and the texts. Encoder and decoder have the same weights; those that only the
decoder has are the loss's own, which workers and checkpoints have to know of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss
from torch import distributed

from training.config import ModelConfig


def denoising_loss(
    config: ModelConfig,
    model: SentenceTransformer,
    *,
    world_size: int,
    on_cpu: bool,  # noqa: ARG001
) -> torch.nn.Module:
    """Returns the loss `denoising`, whose decoder is drawn by the config's seed, so that all workers have the same."""
    return DenoisingLoss(model, seed=config.seed, world_size=world_size)


class DenoisingLoss(DenoisingAutoEncoderLoss):
    """The loss of sentence-transformers in fp32, for any number of workers.

    Args:
        model: the model that is trained; its weights become those of the decoder too.
        seed: the seed of the weights that only the decoder has.
        world_size: the number of workers; with several, gradients of the decoder's own weights become their mean.
    """

    def __init__(self, model: SentenceTransformer, *, seed: int, world_size: int) -> None:
        device = model.device
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__(model, tie_encoder_decoder=True)
        self.model = model
        self.decoder.float()  # a base that is stored in half precision would bring its own into the encoder
        self.to(device)
        if world_size > 1:
            for weights in self.own_weights().values():
                weights.register_post_accumulate_grad_hook(_average)  # type: ignore[no-untyped-call]

    def own_weights(self) -> dict[str, torch.nn.Parameter]:
        """Returns the weights that only the decoder has, those by which it reads a vector and writes words."""
        shared = {id(weights) for weights in self.model.parameters()}
        return {name: weights for name, weights in self.decoder.named_parameters() if id(weights) not in shared}

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: torch.Tensor | None) -> torch.Tensor:
        """Computes the loss of a batch.

        Args:
            sentence_features: the tokenized columns, damaged texts and texts.
            labels: passed on; the loss needs none.
        """
        # The trainer puts the wrapper that adds gradients of all workers in the place of `model`, and of that alone.
        self.encoder = self.model
        loss: torch.Tensor = super().forward(sentence_features, labels)
        return loss


def _average(weights: torch.Tensor) -> None:
    """Makes a gradient the mean of all workers', as is done for the model's own weights."""
    assert weights.grad is not None, "this is called when there is one"
    distributed.all_reduce(weights.grad)
    weights.grad /= distributed.get_world_size()
