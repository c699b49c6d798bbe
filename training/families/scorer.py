"""What cross-encoder and classifier share: layers with a head that gives scores, for a text or for two of them.

In: a language model, or a sentence-transformers folder with such a model at its root. Out: a CrossEncoder of
sentence-transformers, of which a classifier is one with more scores than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from engine.search.pooling import load_layers
from engine.search.usage import length_limit
from training.families.lora import add_lora
from training.families.reading import has_finite_weights, options_for_training
from training.losses.ragged import embed_ragged
from training.workers.job import TrainingJob

_ROWS_AT_ONCE = 32
"""The texts of a forward pass after training."""


def load_scorer(job: TrainingJob, num_scores: int) -> CrossEncoder:
    """Loads the base with a head of so many scores: its own where it has one of that size, else a random one."""
    layers = load_layers(
        job.base,
        "sequence-classification",
        model_kwargs={**options_for_training(), "ignore_mismatched_sizes": True},
        config_kwargs={"num_labels": num_scores},
    )
    model = CrossEncoder(modules=[layers])
    model.max_seq_length = length_limit(model, job.config.max_tokens)
    add_lora(job.config.lora, model.transformers_model)
    return model


def batch_scores(model: Any, features: dict[str, Any], tokens_per_pass: int) -> torch.Tensor:
    """Scores a tokenized batch: float32 (rows, scores).

    Args:
        model: a CrossEncoder, or what the trainer wraps it in.
        features: the batch, padded to one width.
        tokens_per_pass: see `training.losses.ragged.embed_ragged`.
    """

    def scored(part: dict[str, Any]) -> dict[str, Any]:
        return {"sentence_embedding": model(part)["scores"]}

    return embed_ragged(scored, features, tokens_per_pass).float()


def score_texts(model: CrossEncoder, inputs: Sequence[Any]) -> torch.Tensor:
    """Scores texts, or pairs of them, with a model that was trained: float32 (inputs, scores), on the CPU."""
    model.eval()
    scores = [torch.zeros(0, model.num_labels)]
    with torch.inference_mode():
        for start in range(0, len(inputs), _ROWS_AT_ONCE):
            features = model.preprocess(list(inputs[start : start + _ROWS_AT_ONCE]))
            moved = {
                name: value.to(model.device) if torch.is_tensor(value) else value for name, value in features.items()
            }
            scores.append(model(moved)["scores"].float().cpu())
    return torch.cat(scores)


def is_sound_scorer(model: CrossEncoder, example: str | tuple[str, str]) -> bool:
    """Tells whether all weights and the scores of an example are finite numbers."""
    return has_finite_weights(model) and bool(torch.isfinite(score_texts(model, [example])).all())
