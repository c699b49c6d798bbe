"""The other side of the training benchmarks: `SentenceTransformerTrainer`, as a script without synthmill would call it.

In: a model and pairs. Out: the pairs per second of its steady steps. What it is told besides is what keeps it from
writing and uploading.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNSTEADY_STEPS = 3
"""The first steps allocate memory; they are not part of the pace."""


@dataclass(frozen=True)
class PlainTraining:
    """What the trainer is told."""

    base: str
    batch: int
    tokens: int
    """It reads so many tokens of a text."""
    bf16: bool


def train_plainly(training: PlainTraining, queries: Sequence[str], passages: Sequence[str], folder: Path) -> float:
    """Trains one epoch with multiple negatives ranking, and returns pairs per second; `folder` is the trainer's."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers gives mypy no types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    model = SentenceTransformer(training.base)
    model.max_seq_length = training.tokens
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=training.batch,
        bf16=training.bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    pairs = Dataset.from_dict({"query": list(queries), "passage": list(passages)})
    loss = MultipleNegativesRankingLoss(model)
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=pairs, loss=loss, callbacks=[Clock()]).train()
    steady = ends[min(_UNSTEADY_STEPS, len(ends) // 2) :]
    return training.batch * (len(steady) - 1) / (steady[-1] - steady[0])
