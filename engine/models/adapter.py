"""Finds LoRA adapters of the generator: from `samples.lora` to a folder that vLLM loads beside its model.

In: a local folder or a hub id, as for models. Out: the folder, what identifies its weights, and the rank that the
engine must make room for. An adapter is a folder with adapter_config.json and safetensors weights, as PEFT writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.errors import UserError
from engine.models.resolve import model_digest, resolve_model
from engine.models.weights import ADAPTER

ADAPTER_KEY = "samples.lora"
"""The config key that names an adapter, for messages."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM can make room for, ascending."""


def resolve_adapter(name: str) -> Path:
    """Finds the local folder of an adapter, downloaded first where that is needed.

    Args:
        name: a local folder, or a hub id `owner/name[@revision]`.

    Raises:
        UserError: there is no such adapter, it is no LoRA adapter, or its rank is too large.
    """
    folder = resolve_model(name, key=ADAPTER_KEY, config_file=ADAPTER)
    adapter_rank(folder)
    return folder


def adapter_digest(name: str) -> str:
    """Returns what identifies an adapter's weights; empty for an empty name, which stands for no adapter.

    Raises:
        UserError: as for `resolve_adapter`.
    """
    if not name:
        return ""
    resolve_adapter(name)
    return model_digest(name, key=ADAPTER_KEY, config_file=ADAPTER)


def adapter_rank(folder: Path) -> int:
    """Returns the smallest rank that vLLM can make room for and that is at least the adapter's.

    Raises:
        UserError: the folder's config names no rank, or one that is too large.
    """
    rank = json.loads((folder / ADAPTER).read_text(encoding="utf-8")).get("r")
    if not isinstance(rank, int) or not 1 <= rank <= RANKS[-1]:
        raise UserError(
            f"{ADAPTER} has the rank {rank!r}",
            where=f"{ADAPTER_KEY}={folder}",
            remedy=f"name a LoRA adapter of rank 1 to {RANKS[-1]}",
        )
    return next(known for known in RANKS if known >= rank)
