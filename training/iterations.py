"""What earlier iterations left to the one that trains now.

In: the folders that the model step is given, from the second iteration on with the model of the one before. Out: where
training begins, how far it has come, and what share of the hard negatives is new. Each iteration is a step of its own,
so that one that is finished is never trained again, however the next one ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.artifacts.model import ModelFolder
from engine.search.pooling import Pooling
from engine.text.hashes import Hashes
from training.negative_settings import RetrieverConfig

if TYPE_CHECKING:
    from training.config import ModelConfig

NEGATIVES_FILE = "negatives.npy"
"""The file of a model folder with hashes of the hard negatives that it was trained with, uint64 (rows, negatives)."""


@dataclass(frozen=True)
class Earlier:
    """The iterations before this one.

    Attributes:
        count: how many there were.
        steps: their steps, together.
        model: the folder of the last one's model; None where there were none.
    """

    count: int = 0
    steps: int = 0
    model: Path | None = None

    def __str__(self) -> str:
        """Returns what stands before the announcement of an iteration; nothing for the first one."""
        return f"iteration {self.count + 1}: " if self.count else ""

    def searching(self, config: ModelConfig) -> ModelConfig:
        """Returns the config by which hard negatives are searched: with the model that training begins with."""
        if self.model is None:
            return config
        return replace(config, base=str(self.model), pooling=Pooling.auto, retriever=RetrieverConfig())


def earlier_iterations(inputs: Mapping[str, Path]) -> Earlier:
    """Reads how far training has come from the model that it is given, if it is given one."""
    folder = inputs.get("model")
    if folder is None:
        return Earlier()
    record = ModelFolder(folder).record()
    return Earlier(record.iteration, record.earlier_steps + record.steps, folder)


def write_negatives(output: Path, negatives: Hashes) -> None:
    """Keeps what a later iteration compares its negatives with; nothing where there are none.

    Args:
        output: the model's folder.
        negatives: hashes of the texts, (rows, negatives).
    """
    if negatives.size:
        np.save(output / NEGATIVES_FILE, negatives)


def changed_share(negatives: Hashes, earlier: Earlier) -> float | None:
    """Returns the share of hard negatives that their row did not have in the iteration before; None in the first.

    Args:
        negatives: hashes of the texts, (rows, negatives), of the same rows in the same order.
        earlier: the iterations before.
    """
    if earlier.model is None or not negatives.size:
        return None
    before: Hashes = np.load(earlier.model / NEGATIVES_FILE)
    is_kept = (negatives[:, :, None] == before[:, None, :]).any(axis=2)
    return float(1 - is_kept.mean())
