"""Loads a model of sentence-transformers, or says in one line why it cannot be loaded.

In: the name of a model, and where and in what it computes. Out: the model, ready to compute. Encoders and
cross-encoders are loaded here in one way: from files at hand, and none of their code is run. The libraries are imported
only here, because every run reads the configs of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from engine.models.resolve import resolve_model
from engine.search.pooling import Pooling, load_sentence_transformer

if TYPE_CHECKING:
    from engine.models.precision import Device


class Kind(Enum):
    """A class of sentence-transformers; the value is what people call its models."""

    SentenceTransformer = "text encoder"
    CrossEncoder = "cross-encoder"


def load_model(kind: Kind, name: str, *, key: str, bf16: bool, device: Device, pooling: Pooling = Pooling.auto) -> Any:
    """Loads a model.

    Args:
        kind: what it is to be.
        name: `bundled:NAME`, a folder or a hub id.
        key: the config key that named it, for messages.
        bf16: whether its weights are to be in bfloat16; else they are in float32.
        device: where it computes.
        pooling: of a text encoder; see `load_sentence_transformer`.

    Raises:
        UserError: there is no such model, or it is none of this kind, or needs code of its own.
    """
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would be drawn over the console's own
    options = {"dtype": torch.bfloat16 if bf16 else torch.float32, "use_safetensors": True}
    try:
        folder = resolve_model(name, key=key)
        if kind is Kind.SentenceTransformer:
            return load_sentence_transformer(folder, pooling, device=device, model_kwargs=options).eval()
        return _load_cross_encoder(folder, device=device, model_kwargs=options).eval()
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        remedy = f"name a {kind.value} that sentence-transformers loads without trust_remote_code"
        raise UserError(f"cannot be loaded ({reason})", where=f"{key}={name}", remedy=remedy) from error


def _load_cross_encoder(folder: Path, *, model_kwargs: Mapping[str, Any], device: Device) -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(
        str(folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs=dict(model_kwargs)
    )
