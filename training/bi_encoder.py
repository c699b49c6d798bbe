"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import ModelConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_base(config: ModelConfig, folder: Path) -> SentenceTransformer:
    """The base in fp32, cut to the training length, with the config's prefixes as its prompts."""
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
    model.max_seq_length = min(config.train_max_tokens, longest(model, config))
    return model


def longest(model: SentenceTransformer, config: ModelConfig) -> int:
    """`config.max_tokens`, or what the model's positions allow."""
    positions = getattr(model[0].auto_model.config, "max_position_embeddings", None) or config.max_tokens
    return min(config.max_tokens, int(positions))


def save_model(model: SentenceTransformer, config: ModelConfig, folder: Path) -> None:
    """Writes the model as safetensors, with the reading length of use, not that of training."""
    model.max_seq_length = longest(model, config)
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
