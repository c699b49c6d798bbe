"""The bi-encoder that is tuned: how the base is loaded for training, and how the tuned model is saved for use.

In: the base's folder. Out: a SentenceTransformer in fp32, and later a folder that `SentenceTransformer(folder)` loads.
It reads shorter texts while it trains than afterwards, so both lengths are decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.search.usage import PASSAGE_PROMPTS, Similarity, has_unit_vectors, length_limit
from training.config import ModelConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.search.usage import Usage

_COSINE_SCALE, _DOT_SCALE = 20.0, 1.0
"""Factors of scores before the softmax: cosines end at 1 and are spread; dot products are far apart already."""


def load_base(config: ModelConfig, usage: Usage, folder: Path) -> SentenceTransformer:
    """Loads the base in fp32, with the reading length and the prompts of the finished model.

    Args:
        config: the model's config.
        usage: the prefixes, which become its prompts, and the similarity that it keeps.
        folder: the base model; no code in it is run.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
    if not torch.cuda.is_available():
        # torch has no fused attention with dropout on CPUs, and what it does instead is slower than plain products.
        options["attn_implementation"] = "eager"
    model = SentenceTransformer(
        str(folder),
        local_files_only=True,
        trust_remote_code=False,
        prompts={"query": usage.query_prefix, **dict.fromkeys(PASSAGE_PROMPTS, usage.passage_prefix)},
        similarity_fn_name=usage.similarity.value,
        model_kwargs=options,
    )
    model.default_prompt_name = None
    model.max_seq_length = length_limit(model, config.max_tokens)
    return model


@contextmanager
def reading_at_most(model: SentenceTransformer, max_tokens: int) -> Iterator[None]:
    """Cuts texts after `max_tokens` tokens while the block runs, and after as many as before when it ends."""
    before = model.max_seq_length
    model.max_seq_length = min(max_tokens, before)
    try:
        yield
    finally:
        model.max_seq_length = before


def softmax_scale(config: ModelConfig, model: SentenceTransformer) -> float:
    """Returns the factor of scores: `config.scale`, or one that fits the model's similarity."""
    if config.scale is not None:
        return config.scale
    is_cosine = Similarity(model.similarity_fn_name) is Similarity.cosine or has_unit_vectors(model)
    return _COSINE_SCALE if is_cosine else _DOT_SCALE


def is_sound(model: SentenceTransformer) -> bool:
    """Tells whether all weights and a vector are finite numbers, since very large weights make vectors overflow."""
    import torch

    vectors = model.encode(["a text"], convert_to_tensor=True, show_progress_bar=False)
    return all(bool(torch.isfinite(values).all()) for values in (*model.parameters(), vectors))


def save_model(model: SentenceTransformer, folder: Path) -> None:
    """Writes the model as safetensors; `training.card` writes the card."""
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
