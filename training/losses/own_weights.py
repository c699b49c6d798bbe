"""Keeps the weights of a loss with the checkpoints of its model, since the trainer saves only the model's.

In: a loss and a checkpoint's folder. Out: a file of safetensors in it where the loss has weights, which are read back
before training goes on.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_FILE = "loss.safetensors"


def save_own_weights(loss: torch.nn.Module, checkpoint: Path) -> None:
    """Writes what the loss's `own_weights` are; nothing for a loss that has none."""
    if weights := _own_weights(loss):
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, checkpoint / _FILE)


def load_own_weights(loss: torch.nn.Module, checkpoint: Path) -> None:
    """Puts the values of a checkpoint into the weights of the loss."""
    if weights := _own_weights(loss):
        saved = load_file(checkpoint / _FILE)
        with torch.no_grad():
            for name, value in weights.items():
                value.copy_(saved[name])


def _own_weights(loss: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    named = getattr(loss, "own_weights", None)
    return named() if named else {}
