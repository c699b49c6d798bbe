"""The losses of a cross-encoder, from the scores that it gave to the pairs of a batch.

In: logits of rows with a query's passages each, (rows, passages), the positive first, and what they are to be. Out: the
mean over rows. The classes of sentence-transformers read texts, which they tokenize and score in passes of their own;
here a batch comes tokenized, and is scored in passes of pairs of like length. So of `LambdaLoss` the arithmetic is
taken, with the scores in the place of a model; that of the others is one function of torch. Tests hold each of them
against the class of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers.cross_encoder.losses import LambdaLoss
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, kl_div, log_softmax, mse_loss

from training.config import ModelConfig
from training.losses.settings import Loss

ScoreLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Computes a loss of scores and targets, both float32 (rows, passages)."""


def score_loss(kind: Loss, config: ModelConfig) -> ScoreLoss:
    """Returns the loss of a kind.

    Args:
        kind: any loss of a cross-encoder.
        config: the model's config.
    """
    if kind is Loss.kl:
        return _listwise_kl(config.teacher_temperature, config.ranking_share)
    return _LOSSES[kind]


def _listwise(scores: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return cross_entropy(scores, scores.new_zeros(len(scores), dtype=torch.long))


def _listwise_kl(temperature: float, ranking_share: float) -> ScoreLoss:
    """Returns the divergence of the softmax of scores from that of a teacher's, with a share of the ranking loss.

    Logits learn their own sharpness, so that only the teacher's scores have a temperature.
    """

    def loss(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        wanted = log_softmax(teacher / temperature, dim=1)
        divergence = kl_div(log_softmax(scores, dim=1), wanted, reduction="batchmean", log_target=True)
        return (1 - ranking_share) * divergence + ranking_share * _listwise(scores, teacher)

    return loss


def _margin_mse(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    return mse_loss(scores[:, :1] - scores[:, 1:], teacher[:, :1] - teacher[:, 1:])


def _lambda_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    model: Any = _Scored(scores)
    passages = [[""] * scores.shape[1]] * len(scores)  # the scores are there, so only the number of texts counts
    loss: torch.Tensor = LambdaLoss(model, mini_batch_size=-1)([[""] * len(scores), passages], list(targets))
    return loss


class _Scored:
    """Stands where a loss of sentence-transformers has a model, and gives scores that are known already."""

    num_labels = 1

    def __init__(self, scores: torch.Tensor) -> None:
        self.device = scores.device
        self._scores = scores

    def preprocess(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Returns no features."""
        return {}

    def __call__(self, _: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Returns the scores of all pairs."""
        return {"scores": self._scores}


_LOSSES: dict[Loss, ScoreLoss] = {
    Loss.binary_cross_entropy: binary_cross_entropy_with_logits,
    Loss.listwise: _listwise,
    Loss.lambda_loss: _lambda_loss,
    Loss.margin_mse: _margin_mse,
}
