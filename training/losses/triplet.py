"""The triplet loss: a query's passage is to score more than its negatives by a margin.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of the vectors of queries, of
passages, and of any number of columns of negatives.
"""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import TripletLoss

from training.config import ModelConfig
from training.losses.ragged import pairwise_similarity


def triplet_loss(config: ModelConfig, model: SentenceTransformer, _: int) -> torch.nn.Module:
    """Returns the loss `triplet`, by the similarity that the model is used with."""
    return ManyNegativesTripletLoss(model, margin=config.margin)


class ManyNegativesTripletLoss(TripletLoss):
    """The mean of the triplet losses with each negative of a row.

    Args:
        model: the model that is trained.
        margin: how much more a passage is to score than a negative.
    """

    def __init__(self, model: SentenceTransformer, *, margin: float) -> None:
        similarity = pairwise_similarity(model)
        super().__init__(model, distance_metric=lambda one, other: -similarity(one, other), triplet_margin=margin)

    def compute_loss_from_embeddings(self, embeddings: list[torch.Tensor], labels: torch.Tensor | None) -> torch.Tensor:
        """Computes the loss.

        Args:
            embeddings: of queries, passages, and each column of negatives, (rows, dim).
            labels: passed on; the loss needs none.
        """
        compute, (query, passage, *negatives) = super().compute_loss_from_embeddings, embeddings
        return torch.stack([compute([query, passage, negative], labels) for negative in negatives]).mean()
