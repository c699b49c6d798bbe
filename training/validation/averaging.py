"""Weights on the way back from the tuned ones to those that training began with.

In: a model as it was loaded, before any step; later the same model tuned. Out: in place, w = (1 - share) * tuned +
share * base, for every parameter that is trained. Half way keeps most of what tuning gains and takes most of its harm
away (docs/results.md, "Recipes of training"; the idea is WiSE-FT's, Wortsman et al. 2022). Numbers that no optimizer
moves, such as the statistics of a batch norm, stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from training.config import Family

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from training.config import ModelConfig

HALF_WAY = 0.5
_ENCODER_FILE = "modules.json"
"""The file of a folder that sentence-transformers saved: what is in it was made for search already."""
_DRAWN_FACTORS = ("lora_A", "lora_embedding_B")
"""What LoRA adds is a product of two matrices, of which one is drawn and the other one zero at first: B beside a linear
layer, A beside embeddings. Where only the other one is multiplied by (1 - share), so is the product."""


def share_of_base(config: ModelConfig, base: Path) -> float:
    """Returns the share of the base's weights in the finished ones: as configured, or what fits the base.

    Args:
        config: the model's config.
        base: the folder of the base. Where it is no sentence-transformers model, it has never made vectors for search,
            so that going back to it would undo what makes the model one; so it is with a head or a layer that is new.
    """
    if config.family is not Family.bi_encoder:
        return 0.0
    if config.base_share is not None:
        return config.base_share
    return HALF_WAY if (base / _ENCODER_FILE).is_file() else 0.0


class Average:
    """A model's weights between those of now and those of its loading.

    Args:
        model: as it was loaded.
        share: that of the weights of now; with 0 nothing is ever changed, and nothing is kept in memory.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self._model, self._share = model, share
        self._base = trained_weights(model) if share else {}

    def take(self) -> None:
        """Takes the model's weights back by the share, for good."""
        import torch

        with torch.no_grad():
            for name, values in self._model.named_parameters():
                if name in self._base and not any(part in name for part in _DRAWN_FACTORS):
                    values.lerp_(self._base[name].to(values), self._share)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Does so while the block runs; when it ends, every weight is what it was, to the last bit."""
        tuned = trained_weights(self._model) if self._share else {}
        self.take()
        try:
            yield
        finally:
            put(self._model, tuned)


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies the parameters that are trained to the machine's memory, by name."""
    import torch

    parameters = ((name, values.detach()) for name, values in model.named_parameters() if values.requires_grad)
    return {name: values.to("cpu", copy=True, memory_format=torch.contiguous_format) for name, values in parameters}


def put(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Gives a model the weights that `trained_weights` copied from it; parameters that are not among them stay."""
    import torch

    with torch.no_grad():
        for name, values in model.named_parameters():
            if name in weights:
                values.copy_(weights[name])
