"""LoRA adapters with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.models.resolve import resolve_model

MODEL = "bundled:smollm2-135m-instruct"


def write_adapter(folder: Path, *, model: str = MODEL, rank: Any = 4, scale: float = 1.0) -> Path:
    """An adapter of a Llama's query projections, as PEFT writes one."""
    from safetensors.numpy import save_file

    folder.mkdir()
    shape = json.loads((resolve_model(model, key="test") / "config.json").read_text())
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    rng = np.random.default_rng(0)
    weights = {}
    for layer in range(layers):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora"
        weights[f"{name}_A.weight"] = rng.normal(size=(4, width)).astype(np.float32)
        weights[f"{name}_B.weight"] = (scale * rng.normal(size=(width, 4))).astype(np.float32)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
