"""The factor of scores before a softmax.

In: the model's config and the model. Out: a number. Losses and the model card ask the function here, which is apart
from both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.search.usage import Similarity, has_unit_vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from training.config import ModelConfig

_COSINE_SCALE, _DOT_SCALE = 20.0, 1.0
"""Cosines end at 1 and are spread; dot products are far apart already."""


def softmax_scale(config: ModelConfig, model: SentenceTransformer) -> float:
    """Returns the factor of scores: `config.scale`, or one that fits the model's similarity."""
    if config.scale is not None:
        return config.scale
    is_cosine = Similarity(model.similarity_fn_name) is Similarity.cosine or has_unit_vectors(model)
    return _COSINE_SCALE if is_cosine else _DOT_SCALE
