"""Multiple negatives ranking, plain and with GradCache: each query's passage against all passages of the batch.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of a tokenized batch, by the
similarity that the model is used with. The arithmetic is that of sentence-transformers; the way in which a batch is
embedded on a CPU is added here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SimilarityFunction
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

from training.bi_encoder import softmax_scale
from training.config import ModelConfig

Features = dict[str, Any]
"""One tokenized column of a batch: tensors of shape (rows, tokens) by name, such as `input_ids`."""


def ranking_loss(config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool) -> torch.nn.Module:
    """Returns the loss `mnrl`, which holds the activations of all rows at once."""
    return RaggedRankingLoss(
        model, rows_per_pass=config.rows_per_pass if on_cpu else 0, **_options(config, model, world_size)
    )


def cached_ranking_loss(
    config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
) -> torch.nn.Module:
    """Returns the loss `cached_mnrl`, which holds the activations of `mini_batch_size` rows (GradCache).

    A GPU needs larger pieces than a CPU to be busy.
    """
    options, rows = _options(config, model, world_size), config.mini_batch_size or (32 if on_cpu else 256)
    loss: torch.nn.Module = CachedMultipleNegativesRankingLoss(model, mini_batch_size=rows, **options)
    return loss


def _options(config: ModelConfig, model: SentenceTransformer, world_size: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "scale": softmax_scale(config, model),
        "similarity_fct": SimilarityFunction.to_similarity_fn(model.similarity_fn_name),
        "gather_across_devices": world_size > 1,
    }
    if config.symmetric:
        options |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    return options


class RaggedRankingLoss(MultipleNegativesRankingLoss):
    """The ranking loss, with each column embedded in passes of rows of like length.

    Loss and gradients are the same with fewer padded tokens. It pays where arithmetic is the limit (a CPU), and costs
    where the number of kernel launches is (a GPU).

    Args:
        model: the model that is trained.
        rows_per_pass: the rows of a pass; 0 embeds a column in one pass.
        options: what MultipleNegativesRankingLoss takes.
    """

    def __init__(self, model: SentenceTransformer, *, rows_per_pass: int, **options: Any) -> None:
        super().__init__(model, **options)
        self._rows_per_pass = rows_per_pass

    def forward(self, sentence_features: Iterable[Features], labels: torch.Tensor) -> torch.Tensor:
        """Computes the loss of a batch.

        Args:
            sentence_features: one tokenized column each for queries, passages and negatives.
            labels: passed on; ranking needs none.
        """
        embeddings = [embed_ragged(self.model, features, self._rows_per_pass) for features in sentence_features]
        loss: torch.Tensor = self.compute_loss_from_embeddings(embeddings, labels)
        return loss


def embed_ragged(model: Any, features: Features, rows_per_pass: int) -> torch.Tensor:
    """Embeds a tokenized column with the longest rows together, each pass as wide as its longest row.

    Args:
        model: maps Features to Features with a `sentence_embedding`.
        features: the column, padded to one width.
        rows_per_pass: the rows of a pass; 0 embeds them all at once, and so does padding on the left.

    Returns:
        float (rows, dim), in the order of the column.
    """
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
