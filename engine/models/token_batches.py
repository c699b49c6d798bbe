"""Cuts texts that are sorted by length into forward passes of about the same number of tokens.

In: row numbers and lengths, the longest first. Out: the rows of each pass. What a pass takes, in memory and in the
caches of a CPU, goes by its tokens with padding, not by its texts. Encoding and training use it alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def cut_batches(order: torch.Tensor, lengths: list[int], batch_tokens: int) -> Iterator[torch.Tensor]:
    """Cuts `order` into consecutive rows whose number times the longest of them fits `batch_tokens`; at least one each.

    Args:
        order: row numbers, longest text first, (rows,).
        lengths: number of tokens of each, in the same order.
        batch_tokens: tokens of a batch, padding included.
    """
    start = 0
    while start < len(lengths):
        size = max(1, batch_tokens // max(1, lengths[start]))
        yield order[start : start + size]
        start += size
