"""The messages between the driver and the training processes: a TrainingJob, and a Measured or a Diverged back.

All are frozen and hold plain values only. It is apart from the worker so that the driver, and the model card, need
nothing of what a worker does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.artifacts.validation import ValidationRecord
from engine.models.precision import Precision
from engine.search.usage import Usage
from training.config import ModelConfig
from training.labels import Labels
from training.losses.settings import Loss
from training.validation.plan import ValidationPlan


@dataclass(frozen=True)
class TrainingJob:
    """Everything that a worker needs besides its rows.

    Attributes:
        config: the model's config, with the batch size and the learning rate that the rows allow.
        usage: the prefixes and the similarity that are trained with.
        base: the folder of the model that training begins with: the base, or what the iteration before made of it.
        output: the folder of the model; on a cluster one that all nodes see. Rank 0 writes into a draft beside it.
        logs: where each process writes what it would print.
        total_steps: the steps of all epochs.
        threads: the cores for each worker's arithmetic.
        columns: the columns of the training table, in the order in which the loss reads them.
        labels: what a classifier tells apart; None of other families.
        base_share: the share of the weights that training begins with in those that it ends with.
        validation: what is measured while the model trains; None measures nothing.
        earlier_steps: the steps of earlier iterations.
    """

    config: ModelConfig
    usage: Usage
    base: Path
    output: Path
    logs: Path
    total_steps: int
    threads: int
    columns: tuple[str, ...] = ("query", "passage")
    labels: Labels | None = None
    base_share: float = 0.0
    validation: ValidationPlan | None = None
    earlier_steps: int = 0

    def log_file(self, rank: int) -> Path:
        """Returns the file that a rank's output goes to."""
        return self.logs / f"training-{rank}.log"


@dataclass(frozen=True)
class Figures:
    """What a family says of a model that it saved.

    Attributes:
        scale: what scores were multiplied by before the softmax.
        dimensions: the length of the model's vectors; of a model that makes none, the number of its scores.
        temperature: what a classifier's scores are divided by, for probabilities that are as often right as they say.
    """

    scale: float = 1.0
    dimensions: int = 0
    temperature: float = 1.0


@dataclass(frozen=True)
class Measured:
    """What one worker measured while it trained; the driver gets that of rank 0.

    Attributes:
        load_seconds: from the start of the process's work to the first step, the loading of the base included.
        loop_seconds: the time of all steps of this attempt.
        save_seconds: the time of writing the model.
        seconds_per_step: the mean over the steady steps of this attempt; 0 where there were too few.
        losses: the training loss at each logged step, those before a restart included.
        steps: the number of the last step.
        resumed_at_step: the steps that the checkpoint held from which this attempt went on; 0 without one.
        world_size: the number of workers.
        precision: what the forward pass computed in; never `auto`.
        loss: what was minimised; never `auto`.
        in_pieces: whether a batch's activations did not fit into memory, and were held a few rows at a time.
        figures: what the family says of the model.
        max_tokens: what the saved model reads of a text.
        validation: the validations, those before a restart included; None without any.
        draft: the folder that the finished model was written into; None of ranks that write none.
    """

    load_seconds: float
    loop_seconds: float
    save_seconds: float
    seconds_per_step: float
    losses: tuple[float, ...]
    steps: int
    resumed_at_step: int
    world_size: int
    precision: Precision
    loss: Loss
    figures: Figures
    max_tokens: int
    in_pieces: bool = False
    validation: ValidationRecord | None = None
    draft: Path | None = None


@dataclass(frozen=True)
class Diverged:
    """What a worker returns of a training that it gave up; it wrote no model.

    It is a value and no exception, because Ray Train would start the same training again.

    Attributes:
        step: the step whose loss was no finite number, or the last one, where only the weights showed it.
        loss: the loss of that step.
    """

    step: int
    loss: float
