"""Any loss of a batch in pieces (GradCache, Gao et al. 2021): memory holds the activations of a few rows at a time.

In: a model, and a loss of what it makes of all rows, vectors or scores. Out: a torch module with the same loss and
gradients. A first pass makes vectors without activations, the loss gives the gradient of each, and a second pass, with
the same dropout, takes these on to the weights. It costs that first pass, and is for batches that would not fit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, RandContext

from training.losses.ragged import Features, cut_rows, is_padded_right

LossOfAll = Callable[[list[torch.Tensor], torch.Tensor | None], torch.Tensor]
"""Computes a loss from what a model made of each column of a batch, (rows, dim) or (rows, scores), and the labels."""


class LossInPieces(CachedLossMixin, torch.nn.Module):
    """A loss whose columns are computed in pieces of rows of like length, once without gradients and once with them.

    Args:
        model: the model that is trained. The trainer puts what adds the gradients of all workers in its place.
        loss: what is minimised.
        rows: the rows of a piece.
        output: what the model calls that which the loss reads.
    """

    def __init__(self, model: Any, loss: LossOfAll, *, rows: int, output: str = "sentence_embedding") -> None:
        super().__init__()
        self.model = model
        self.mini_batch_size = rows
        self._loss: LossOfAll = loss
        self._output = output
        self._places: list[torch.Tensor] = []
        """Where each row of the batch stands in its column, which is put in order of length."""

    def forward(self, features: Iterable[Features], labels: torch.Tensor | None = None, **_: Any) -> torch.Tensor:
        """Computes the loss of a batch; the gradients are computed when that is asked for its own.

        Args:
            features: the tokenized columns, in the order in which the loss reads them.
            labels: what the loss reads beside texts; None where it reads none.
        """
        ordered = [_by_length(column) for column in features]
        self._places = [torch.argsort(order) for _, order in ordered]
        loss: torch.Tensor = CachedLossMixin.forward_cached(self, [column for column, _ in ordered], labels)
        return loss

    def calculate_loss(
        self, reps: list[list[torch.Tensor]], labels: torch.Tensor | None = None, *, with_backward: bool = False
    ) -> torch.Tensor:
        """Computes the loss from what was made of the pieces; `with_backward` also takes its gradient down to these."""
        columns = [torch.cat(pieces)[places] for pieces, places in zip(reps, self._places, strict=True)]
        loss = self._loss(columns, labels)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
            loss = loss.detach()
        return loss

    def embed_minibatch(  # noqa: PLR0917  # the names are those of the mixin
        self,
        sentence_feature: Features,
        begin: int,
        end: int,
        with_grad: bool,
        copy_random_state: bool,
        random_state: RandContext | None = None,
    ) -> tuple[torch.Tensor, RandContext | None]:
        """Computes a piece; returns what the model makes of it, and the state that its dropout began with."""
        part = _piece(sentence_feature, begin, end)
        with random_state or contextlib.nullcontext(), contextlib.nullcontext() if with_grad else torch.no_grad():
            before = RandContext(*part.values()) if copy_random_state else None
            return self.model(part)[self._output], before


def _by_length(column: Features) -> tuple[Features, torch.Tensor]:
    """Returns a column with its longest rows first, and the number that each of them had."""
    mask = column["attention_mask"]
    order = torch.argsort(mask.sum(1), descending=True, stable=True)
    return cut_rows(column, order, mask.shape[1]), order


def _piece(column: Features, begin: int, end: int) -> Features:
    """Returns some rows of a column, as wide as the longest of them where padding is on the right."""
    mask = column["attention_mask"]
    rows = torch.arange(begin, min(end, len(mask)), device=mask.device)
    width = int(mask[rows].sum(1).max()) if is_padded_right(mask) else mask.shape[1]
    return cut_rows(column, rows, width)
