"""How a base is read into a training process, whatever is made of it.

In: a model as it was loaded. Out: the options to load one with, and the length that it reads while it trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from sentence_transformers.base.model import BaseModel


def options_for_training() -> dict[str, Any]:
    """Returns what the layers of a model that is trained are loaded with: weights are fp32, whatever the folder has."""
    options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
    if not torch.cuda.is_available():
        # torch has no fused attention with dropout on CPUs, and what it does instead is slower than plain products.
        options["attn_implementation"] = "eager"
    return options


@contextmanager
def reading_at_most(model: BaseModel, max_tokens: int) -> Iterator[None]:
    """Cuts texts after `max_tokens` tokens while the block runs, and after as many as before when it ends."""
    before = model.max_seq_length
    model.max_seq_length = min(max_tokens, before)
    try:
        yield
    finally:
        model.max_seq_length = before


def has_finite_weights(model: BaseModel) -> bool:
    """Tells whether all weights are finite numbers."""
    return all(bool(torch.isfinite(values).all()) for values in model.parameters())
