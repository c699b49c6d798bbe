"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

from training.config import Loss, ModelConfig

Features = dict[str, Any]


class RaggedRankingLoss(MultipleNegativesRankingLoss):
    """The ranking loss, with each column embedded in passes of rows of like length.

    Same loss and gradients, fewer padded tokens. It pays where arithmetic is the limit (a CPU), and costs where the
    number of kernel launches is (a GPU).
    """

    def __init__(self, model: SentenceTransformer, *, rows_per_pass: int, **options: Any) -> None:
        super().__init__(model, **options)
        self._rows_per_pass = rows_per_pass

    def forward(self, sentence_features: Iterable[Features], labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; one feature dict per column (query, passage, negatives)."""
        embeddings = [embed_ragged(self.model, features, self._rows_per_pass) for features in sentence_features]
        loss: torch.Tensor = self.compute_loss_from_embeddings(embeddings, labels)
        return loss


def embed_ragged(model: Any, features: Features, rows_per_pass: int) -> torch.Tensor:
    """Embeddings (rows, dim) of a tokenized column, longest rows together, each pass at its own width."""
    mask = features["attention_mask"]
    rows = len(mask)
    # With padding on the left a slice would cut off text.
    if not 0 < rows_per_pass < rows or not bool(mask[:, 0].all()):
        whole: torch.Tensor = model(features)["sentence_embedding"]
        return whole
    lengths = mask.sum(1)
    order = torch.argsort(lengths, descending=True)
    passes = []
    for start in range(0, rows, rows_per_pass):
        chosen = order[start : start + rows_per_pass]
        width = int(lengths[chosen[0]])
        part = {name: _cut(value, chosen, width, tuple(mask.shape)) for name, value in features.items()}
        passes.append(model(part)["sentence_embedding"])
    return torch.cat(passes)[torch.argsort(order)]


def _cut(value: Any, rows: torch.Tensor, width: int, shape: tuple[int, ...]) -> Any:
    is_token_wise = isinstance(value, torch.Tensor) and tuple(value.shape) == shape
    return value[rows, :width] if is_token_wise else value


def make_loss(
    kind: Loss, config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
) -> torch.nn.Module:
    """The loss of that kind; embeddings are gathered across ranks when there are several."""
    assert kind is not Loss.auto, "which loss fits is decided by now"
    options: dict[str, Any] = {"scale": config.scale, "gather_across_devices": world_size > 1}
    if config.symmetric:
        options |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    if kind is Loss.cached_mnrl:
        cached: torch.nn.Module = CachedMultipleNegativesRankingLoss(
            model, mini_batch_size=config.mini_batch_size, **options
        )
        return cached
    return RaggedRankingLoss(model, rows_per_pass=config.rows_per_pass if on_cpu else 0, **options)
