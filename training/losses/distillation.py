"""The losses that learn from a teacher: each query with its candidates, and what the teacher thinks of them.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of the vectors of queries and
candidates, of which the first is the positive, and of teacher scores, (rows, candidates).
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss, MarginMSELoss

from training.config import ModelConfig
from training.losses.ragged import pairwise_similarity
from training.losses.ranking import ranking_loss
from training.scale import softmax_scale


def margin_mse_loss(config: ModelConfig, model: SentenceTransformer, _: int) -> torch.nn.Module:
    """Returns the loss `margin_mse`. The student's scores are multiplied by its scale: cosines differ by 2 at most."""
    scale, similarity = softmax_scale(config, model), pairwise_similarity(model)
    loss: torch.nn.Module = MarginMSELoss(model, similarity_fct=lambda one, other: scale * similarity(one, other))
    return loss


def kl_loss(config: ModelConfig, model: SentenceTransformer, world_size: int) -> torch.nn.Module:
    """Returns the loss `kl`, with `ranking_share` of the ranking loss."""
    return ListwiseLoss(config, model, world_size)


class ListwiseLoss(DistillKLDivLoss):
    """The divergence of the student's softmax over a query's candidates from the teacher's, and a ranking loss.

    The ranking loss is the cross-entropy of the first candidate among the query's own or, with `share_candidates`,
    among those of all queries of all workers.

    Args:
        config: the model's config.
        model: the model that is trained.
        world_size: the number of workers.
    """

    def __init__(self, config: ModelConfig, model: SentenceTransformer, world_size: int) -> None:
        scale = softmax_scale(config, model)
        super().__init__(
            model,
            similarity_fct=pairwise_similarity(model),
            student_temperature=1 / scale,
            teacher_temperature=config.teacher_temperature,
        )
        self._scale = scale
        self._share = config.ranking_share
        self._ranking: Any = ranking_loss(config, model, world_size) if config.share_candidates else None

    def compute_loss_from_embeddings(self, embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Computes the loss.

        Args:
            embeddings: of queries and of each column of candidates, (rows, dim).
            labels: the teacher's scores, (rows, candidates).
        """
        # The parent multiplies by the square of the temperature, which would leave the ranking loss alone to count.
        divergence: torch.Tensor = super().compute_loss_from_embeddings(embeddings, labels) * self._scale**2
        if not self._share:
            return divergence
        return (1 - self._share) * divergence + self._share * self._rank(embeddings)

    def _rank(self, embeddings: list[torch.Tensor]) -> torch.Tensor:
        if self._ranking is not None:
            loss: torch.Tensor = self._ranking.compute_loss_from_embeddings(embeddings, None)
            return loss
        query, *candidates = embeddings
        scores = torch.stack([self.similarity_fct(query, candidate) for candidate in candidates], 1)
        return torch.nn.functional.cross_entropy(self._scale * scores, scores.new_zeros(len(scores), dtype=torch.long))
