"""The bi-encoder that is tuned: how the base is loaded for training, and how the tuned model is saved for use.

In: the base's folder. Out: a SentenceTransformer in fp32, and later a folder that `SentenceTransformer(folder)` loads.
It reads shorter texts while it trains than afterwards, so both lengths are decided here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import ModelConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_base(config: ModelConfig, folder: Path) -> SentenceTransformer:
    """Loads the base in fp32, cut to the training length, with the config's prefixes as its prompts.

    Args:
        config: the model's config.
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
        prompts={"query": config.query_prefix, "document": config.passage_prefix},
        model_kwargs=options,
    )
    model.default_prompt_name = None
    model.max_seq_length = min(config.train_max_tokens, _reading_length(model, config))
    return model


def save_model(model: SentenceTransformer, config: ModelConfig, folder: Path) -> None:
    """Writes the model as safetensors, with the reading length of use, not that of training."""
    model.max_seq_length = _reading_length(model, config)
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)


def _reading_length(model: SentenceTransformer, config: ModelConfig) -> int:
    """`config.max_tokens`, or fewer where the model has fewer positions."""
    positions = getattr(model[0].auto_model.config, "max_position_embeddings", None) or config.max_tokens
    return min(config.max_tokens, int(positions))
