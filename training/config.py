"""The model step: kept examples in, a tuned bi-encoder out, as a folder that `SentenceTransformer(folder)` loads.

This module holds the config and the step; what needs torch or Ray sits in the modules beside it: `launch` (driver),
`worker` (one process per GPU, or one on a CPU), `feed` (Ray Data to ranks), `batches` (which rows share a batch),
`trainer` (the loop), `activations` (what fits into memory), `mining` (hard negatives), `card` (README.md of the model).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from omegaconf import II

from engine.errors import UserError
from engine.models.precision import Precision
from engine.runtime.identity import fields_of, placement


class Loss(Enum):
    """What is minimised."""

    auto = "auto"
    """`mnrl`, or `cached_mnrl` where a batch would not fit into memory (training/losses/memory.py)."""
    mnrl = "mnrl"
    """Multiple negatives ranking: cross-entropy over the passages of the batch (InfoNCE)."""
    cached_mnrl = "cached_mnrl"
    """The same with GradCache: memory of `mini_batch_size` rows for batches of any size, about twice the work."""


@dataclass(frozen=True)
class ModelConfig:
    """How the base model is tuned."""

    base: str = "bundled:all-minilm-l6-v2"
    """`bundled:NAME`, a local folder or a Hugging Face id."""
    query_prefix: str = ""
    """Put before every query, here and wherever the model is used; stored in the model as the prompt `query`."""
    passage_prefix: str = ""
    """Put before every passage; stored in the model as the prompt `document`."""
    max_tokens: int = 256
    """What the encoder reads of a text, in the report and in the finished model."""
    train_max_tokens: int = 192
    """What it reads while training: memory and time grow with it."""
    learning_rate: float = 4e-5
    """Of steps of `batch_size` pairs; see `with_batch_size`."""
    epochs: int = 3
    batch_size: int = 128
    """Pairs of a step over all workers: each is ranked against the passages of all others. Fewer where there are so
    few examples that an epoch would have less than five steps."""
    warmup_share: float = 0.1
    """Share of the steps in which the learning rate rises; it falls linearly to zero afterwards."""
    weight_decay: float = 0.0
    scale: float = 20.0
    """Cosines are multiplied by it before the softmax: the inverse of the temperature."""
    loss: Loss = Loss.auto
    symmetric: bool = False
    """Adds the direction passage to query, with a softmax of its own."""
    mini_batch_size: int = placement(32)
    """Rows that `cached_mnrl` holds in memory at a time."""
    num_hard_negatives: int = 0
    """Mined passages per query that the base ranks high and that are not of the query's document; 0 mines none."""
    hard_negative_first_rank: int = 1
    """Where mining starts in the ranking of the base; larger skips the likeliest unjudged answers."""
    hard_negative_last_rank: int = 50
    hard_negative_margin: float = 0.95
    """A passage that scores more than this share of the query's own passage may be an answer and is not taken."""
    precision: Precision = Precision.auto
    seed: int = II("seed")
    num_workers: int = placement(0)
    """Training processes; 0 is one per GPU of the cluster, or one when there is none."""
    gpus_per_worker: float = placement(1.0)
    """Only where there are GPUs."""
    rows_per_pass: int = placement(8)
    """On a CPU a batch is embedded in passes of so many rows of like length, which saves padding; 0 is one pass."""
    checkpoint_steps: int = placement(500)
    """A checkpoint each so many steps; training goes on from the last one after a crash."""
    max_failures: int = placement(2)
    """How often training starts again after a lost worker before it gives up."""

    def __post_init__(self) -> None:
        """Refuses what could only fail later."""
        for name in ("max_tokens", "train_max_tokens", "epochs", "mini_batch_size", "checkpoint_steps"):
            _require(self, name, getattr(self, name) >= 1, "1 or more")
        _require(self, "batch_size", self.batch_size >= 2, "2 or more: with one row there are no negatives")
        _require(self, "learning_rate", self.learning_rate > 0, "more than 0, such as 4e-5")
        _require(self, "scale", self.scale > 0, "more than 0, such as 20")
        _require(self, "warmup_share", 0 <= self.warmup_share < 1, "from 0 up to, but not, 1")
        _require(self, "hard_negative_margin", 0 < self.hard_negative_margin <= 1, "above 0 and at most 1")
        for name in ("num_hard_negatives", "num_workers", "rows_per_pass", "max_failures"):
            _require(self, name, getattr(self, name) >= 0, "0 or more")
        ranks_hold = 1 <= self.hard_negative_first_rank <= self.hard_negative_last_rank
        _require(self, "hard_negative_first_rank", ranks_hold, "between 1 and model.hard_negative_last_rank")
        workers = max(self.num_workers, 1)
        _require(self, "batch_size", self.batch_size % workers == 0, f"a multiple of model.num_workers={workers}")

    def with_batch_size(self, batch_size: int) -> ModelConfig:
        """The same for other steps: the rate goes with the root of the batch (Malladi et al. 2022, for Adam)."""
        rate = self.learning_rate * math.sqrt(batch_size / self.batch_size)
        return replace(self, batch_size=batch_size, learning_rate=rate)

    def identity(self) -> dict[str, object]:
        """The base counts by its weights, not by its name or folder."""
        from engine.models.resolve import model_digest

        return fields_of(self) | {"base": model_digest(self.base, key="model.base")}


def _require(config: ModelConfig, name: str, holds: bool, wanted: str) -> None:
    if not holds:
        value = getattr(config, name)
        raise UserError(f"{value} is out of range", where=f"model.{name}={value}", remedy=f"give {wanted}")
