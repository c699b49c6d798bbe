"""LoRA: small matrices beside the linear layers are trained, and the layers themselves are not (Hu et al. 2021).

In: settings, and a model of transformers. Out: the same model, most of whose weights are frozen; after training, its
weights with the matrices added to them. It imports torch and peft only when it is used, because every run reads the
settings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import check_setting

_NO_LAYERS_OF_BLOCKS = ("pooler",)
"""Parts of names of linear layers that belong to no block and are left as they are."""


@dataclass(frozen=True)
class LoraConfig:
    """How a base is tuned by low-rank matrices; off by default."""

    rank: int = 0
    """The rank of the matrices, such as 16; 0 trains all weights."""
    alpha: int = 32
    """The product of the matrices counts `alpha` / `rank`."""
    dropout: float = 0.0
    """This share of what goes into the matrices is dropped while training."""
    target_modules: list[str] = field(default_factory=list)
    """The linear layers that get matrices, by the ends of their names, such as `[query,value]`; empty stands for all
    linear layers of the blocks."""
    merge: bool = True
    """Whether the matrices are added to the weights in the finished model, so that it loads like any other. Without it
    the folder holds them apart, and loads where peft is installed and the base lies where it lay."""

    def __post_init__(self) -> None:
        """Refuses values that could only fail later."""
        self._check("rank", self.rank >= 0, "0 or more, such as 16")
        self._check("alpha", self.alpha > 0, "more than 0, such as 32")
        self._check("dropout", 0 <= self.dropout < 1, "0 or more, and less than 1")

    def _check(self, name: str, is_allowed: bool, allowed: str) -> None:
        check_setting(is_allowed, f"model.lora.{name}", getattr(self, name), allowed)


def add_lora(config: LoraConfig, model: Any) -> None:
    """Freezes a model and puts matrices beside its linear layers; a head for scores is trained as a whole.

    Args:
        config: the settings; with rank 0 nothing is done.
        model: of transformers.
    """
    if not config.rank:
        return
    import peft

    blocks = model.base_model  # the model itself where it has no head
    prefix = "" if blocks is model else f"{model.base_model_prefix}."
    layers = config.target_modules or [f"{prefix}{name}" for name in _linear_layers(blocks)]
    model.add_adapter(
        peft.LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(layers)
        )
    )
    for name, parameter in model.named_parameters():
        if prefix and not name.startswith(prefix):
            parameter.requires_grad = True


def _linear_layers(blocks: Any) -> list[str]:
    """Lists the names of a model's linear layers that are part of its blocks."""
    from torch import nn

    every = (name for name, module in blocks.named_modules() if isinstance(module, nn.Linear))
    return [name for name in every if not any(part in name.split(".") for part in _NO_LAYERS_OF_BLOCKS)]


def merge_lora(config: LoraConfig, model: Any) -> None:
    """Adds the matrices to the weights and removes them, unless the config keeps them apart.

    Args:
        config: the settings; with rank 0 nothing is done.
        model: of transformers, as `add_lora` left it and training changed it.
    """
    if config.rank and config.merge:
        _remove(model, merge=True)


def write_weights(config: LoraConfig, model: Any, folder: Path) -> None:
    """Writes config and weights of the base beside matrices that were saved alone: transformers puts the two together.

    Args:
        config: the settings; where matrices are merged or there are none, nothing is done.
        model: of transformers; it has no matrices afterwards.
        folder: where the matrices are.
    """
    if config.rank and not config.merge:
        _remove(model, merge=False)
        model.save_pretrained(folder)


def _remove(model: Any, *, merge: bool) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            if merge:
                layer.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
    del model.peft_config
    model._hf_peft_config_loaded = False
