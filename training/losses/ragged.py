"""A batch embedded in passes of rows of like length, in front of any loss that reads embeddings.

In: a SentenceTransformer and a loss of sentence-transformers. Out: a torch module that gives the same loss and the same
gradients of a tokenized batch with fewer padded tokens. It pays where arithmetic is the limit (a CPU), and costs where
the number of kernel launches is (a GPU).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SimilarityFunction
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.util import all_gather, all_gather_with_grad

from engine.models.token_batches import cut_batches

Features = dict[str, Any]
"""One tokenized column of a batch: tensors of shape (rows, tokens) by name, such as `input_ids`."""


class RaggedLoss(torch.nn.Module):
    """A loss whose columns are embedded in passes of rows of like length.

    Args:
        model: the model that is trained. The trainer puts what adds the gradients of all workers in its place.
        loss: what computes the loss from embeddings (`compute_loss_from_embeddings`).
        tokens_per_pass: the tokens of a pass, padding included; 0 embeds as sentence-transformers does.
        gathers: whether the loss sees the rows of all workers. It has to where it compares rows with each other and
            does not gather them itself; a mean over rows has the same gradient either way.
    """

    def __init__(
        self, model: SentenceTransformer, loss: torch.nn.Module, *, tokens_per_pass: int, gathers: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.loss: Any = loss
        self._tokens_per_pass = tokens_per_pass
        self._gathers = gathers

    def forward(self, sentence_features: Iterable[Features], labels: torch.Tensor | None) -> torch.Tensor:
        """Computes the loss of a batch.

        Args:
            sentence_features: the tokenized columns, in the order in which the loss reads them.
            labels: what the loss reads beside texts, (rows,) or (rows, candidates); None where it reads none.
        """
        return self.of_vectors(self._embed(list(sentence_features)), labels)

    def of_vectors(self, embeddings: list[torch.Tensor], labels: torch.Tensor | None) -> torch.Tensor:
        """Computes the loss from what the model made of each column, (rows, dim)."""
        if self._gathers:
            # Every worker computes the whole loss. The backward pass of gathering adds what they ask for, so that the
            # mean over workers is the gradient of one.
            embeddings = [all_gather_with_grad(column) for column in embeddings]
            labels = None if labels is None else all_gather(labels)
        loss: torch.Tensor = self.loss.compute_loss_from_embeddings(embeddings, labels)
        return loss

    def _embed(self, columns: list[Features]) -> list[torch.Tensor]:
        if self._tokens_per_pass:
            return [embed_ragged(self.model, column, self._tokens_per_pass) for column in columns]
        embeddings: list[torch.Tensor] = embed_columns(self.model, columns)
        return embeddings


def embed_ragged(model: Any, features: Features, tokens_per_pass: int) -> torch.Tensor:
    """Embeds a tokenized column with the longest rows together, each pass as wide as its longest row.

    A pass of few tokens pays for all weights (their copies in bf16, the gradient of all words), and one of many for
    activations that no cache holds. So what is bounded are tokens: short rows share a pass with many others.

    Args:
        model: maps Features to Features with a `sentence_embedding`.
        features: the column, padded to one width.
        tokens_per_pass: the tokens of a pass, padding included; a row that is longer has a pass of its own. 0 embeds
            all rows at once, and so does padding on the left.

    Returns:
        float (rows, dim), in the order of the column.
    """
    mask = features["attention_mask"]
    if not 0 < tokens_per_pass < mask.numel() or not is_padded_right(mask):
        whole: torch.Tensor = model(features)["sentence_embedding"]
        return whole
    lengths = mask.sum(1)
    order = torch.argsort(lengths, descending=True)
    passes = [
        model(cut_rows(features, rows, int(lengths[rows[0]])))["sentence_embedding"]
        for rows in cut_batches(order, lengths[order].tolist(), tokens_per_pass)
    ]
    return torch.cat(passes)[torch.argsort(order)]


def is_padded_right(mask: torch.Tensor) -> bool:
    """Tells whether no text of a column is padded on the left, where a slice would cut off text."""
    return bool(mask[:, 0].all())


def cut_rows(features: Features, rows: torch.Tensor, width: int) -> Features:
    """Returns some rows of a tokenized column, each as wide as given; what is not by token stays as it is."""
    shape = tuple(features["attention_mask"].shape)
    return {name: _cut(value, rows, width, shape) for name, value in features.items()}


def _cut(value: Any, rows: torch.Tensor, width: int, shape: tuple[int, ...]) -> Any:
    is_token_wise = isinstance(value, torch.Tensor) and tuple(value.shape) == shape
    return value[rows, :width] if is_token_wise else value


def pairwise_similarity(model: SentenceTransformer) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Returns the similarity that a model is used with, of vectors with the vectors in the same rows, (rows,)."""
    similarity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    similarity = SimilarityFunction.to_similarity_pairwise_fn(model.similarity_fn_name)
    return similarity
