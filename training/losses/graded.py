"""The losses of graded pairs: two texts, and how much they mean the same, from 0 to 1.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of the vectors of two columns
and of their scores, (rows,).
"""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import ContrastiveLoss, CoSENTLoss, CosineSimilarityLoss

from training.config import ModelConfig
from training.losses.ragged import pairwise_similarity
from training.scale import softmax_scale


def cosine_loss(_: ModelConfig, model: SentenceTransformer, __: int) -> torch.nn.Module:
    """Returns the loss `cosine`: the mean squared difference between the cosine of two texts and their score."""
    loss: torch.nn.Module = CosineSimilarityLoss(model)
    return loss


def contrastive_loss(config: ModelConfig, model: SentenceTransformer, _: int) -> torch.nn.Module:
    """Returns the loss `contrastive`, in squares of the cosine distance; scores between 0 and 1 weigh its two parts."""
    loss: torch.nn.Module = ContrastiveLoss(model, margin=config.margin)
    return loss


def cosent_loss(config: ModelConfig, model: SentenceTransformer, _: int) -> torch.nn.Module:
    """Returns the loss `cosent`: every two pairs of the batch in the order of their scores."""
    scale, similarity = softmax_scale(config, model), pairwise_similarity(model)
    loss: torch.nn.Module = CoSENTLoss(model, scale=scale, similarity_fct=similarity)
    return loss
