"""Matryoshka training around any loss of vectors: their first dimensions are trained to work alone.

In: the model's config, a SentenceTransformer and a loss of it. Out: the loss itself, or one that is the sum over the
numbers of dimensions of `model.matryoshka` (Kusupati et al. 2022).
"""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

from training.config import ModelConfig


def in_dimensions(config: ModelConfig, model: SentenceTransformer, loss: torch.nn.Module) -> torch.nn.Module:
    """Puts a loss of whole vectors under Matryoshka, where the config says so; a batch is still embedded once."""
    if not config.matryoshka:
        return loss
    wrapped: torch.nn.Module = MatryoshkaLoss(model, loss, list(config.matryoshka))
    return wrapped
