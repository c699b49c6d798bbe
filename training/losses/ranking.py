"""Multiple negatives ranking, plain, with GradCache, and guided: each query's passage against all of the batch.

In: the model's config and a SentenceTransformer. Out: a torch module that gives the loss of a tokenized batch, by the
similarity that the model is used with. The arithmetic is that of sentence-transformers; with several workers the
passages of all of them are ranked.
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SimilarityFunction
from sentence_transformers.sentence_transformer.losses import (
    CachedGISTEmbedLoss,
    CachedMultipleNegativesRankingLoss,
    GISTEmbedLoss,
    MultipleNegativesRankingLoss,
)

from engine.models.resolve import resolve_model
from engine.search.pooling import Pooling, load_sentence_transformer
from training.config import BASE_KEY, GUIDE_KEY, ModelConfig
from training.families.reading import options_for_training
from training.scale import softmax_scale


def ranking_loss(config: ModelConfig, model: SentenceTransformer, world_size: int) -> torch.nn.Module:
    """Returns the loss `mnrl`, which holds the activations of all rows at once."""
    loss: torch.nn.Module = MultipleNegativesRankingLoss(model, **_options(config, model, world_size))
    return loss


def cached_ranking_loss(
    config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
) -> torch.nn.Module:
    """Returns the loss `cached_mnrl`, which holds the activations of `mini_batch_size` rows (GradCache)."""
    options, rows = _options(config, model, world_size), piece_rows(config, on_cpu=on_cpu)
    loss: torch.nn.Module = CachedMultipleNegativesRankingLoss(model, mini_batch_size=rows, **options)
    return loss


def piece_rows(config: ModelConfig, *, on_cpu: bool) -> int:
    """Returns the rows whose activations are held at once with GradCache; a GPU needs more than a CPU to be busy."""
    return config.mini_batch_size or (32 if on_cpu else 256)


def guided_loss(config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool) -> torch.nn.Module:  # noqa: ARG001
    """Returns the loss `gist`, which leaves out negatives that the guide scores higher than the query's own passage.

    Queries are ranked against passages only, as by `mnrl`. The pairs of two queries, which the paper adds, would be of
    one worker's rows, so that the number of workers would change the result.
    """
    loss: torch.nn.Module = GISTEmbedLoss(model, **_guided_options(config, model, world_size))
    return loss


def guided_loss_in_pieces(
    config: ModelConfig, model: SentenceTransformer, *, world_size: int, on_cpu: bool
) -> torch.nn.Module:
    """Returns the loss `gist` where memory holds the activations of a few rows only; the same value and gradients."""
    rows = piece_rows(config, on_cpu=on_cpu)
    options = _guided_options(config, model, world_size)
    loss: torch.nn.Module = CachedGISTEmbedLoss(model, mini_batch_size=rows, **options)
    return loss


def _guided_options(config: ModelConfig, model: SentenceTransformer, world_size: int) -> dict[str, Any]:
    return {
        "guide": _guide(config, model),
        "temperature": 1 / softmax_scale(config, model),
        "contrast_anchors": False,
        "contrast_positives": False,
        "gather_across_devices": world_size > 1,
    }


def _guide(config: ModelConfig, model: SentenceTransformer) -> SentenceTransformer:
    """Loads the model that tells false negatives; nothing trains it.

    It is the base where no other is named, also where training goes on from what an earlier iteration made of it.
    """
    key, pooling = (GUIDE_KEY, Pooling.auto) if config.guide else (BASE_KEY, config.pooling)
    folder, options = resolve_model(config.guide or config.base, key=key), options_for_training()
    guide = load_sentence_transformer(folder, pooling, device=str(model.device), model_kwargs=options)
    if guide.tokenizer.get_vocab() == model.tokenizer.get_vocab():
        guide.max_seq_length = max(guide.max_seq_length or 0, model.max_seq_length)  # else it would tokenize again
    guide.requires_grad_(False)
    return guide.eval()


def _options(config: ModelConfig, model: SentenceTransformer, world_size: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "scale": softmax_scale(config, model),
        "similarity_fct": SimilarityFunction.to_similarity_fn(model.similarity_fn_name),
        "gather_across_devices": world_size > 1,
    }
    if config.symmetric:
        options |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    return options
