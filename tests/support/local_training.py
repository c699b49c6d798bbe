"""Ray Train's local mode: a training in the process of the test, for what is learned and not for how workers are run.

In: nothing. Out: a context in which `training.workers.launch` trains here, by the same function, on the same stream of
batches. No process starts that would import torch and sentence-transformers once more, which takes it longer than a
small training does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer


class LocalTrainer(TorchTrainer):
    """A trainer of one worker that has the stream of rank 0 and no process of its own."""

    def __init__(
        self, train: Any, *, scaling_config: ScalingConfig, datasets: Any, dataset_config: Any, **others: Any
    ) -> None:
        assert scaling_config.num_workers == 1, "there is one process"
        [streams] = dataset_config.configure(datasets, 1)
        super().__init__(train, scaling_config=ScalingConfig(num_workers=0), datasets=streams, **others)


@contextmanager
def training_here() -> Iterator[None]:
    """Has every training of one worker run in this process, whose output is its own again afterwards."""
    outputs = {number: os.dup(number) for number in (1, 2)}  # a worker sends them to its log
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ray.train.torch.TorchTrainer", LocalTrainer)
            yield
    finally:
        logging.captureWarnings(False)  # as a worker has them in its log
        for number, kept in outputs.items():
            os.dup2(kept, number)
            os.close(kept)
