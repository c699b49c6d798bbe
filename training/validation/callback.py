"""Measures the model between steps on rank 0, while the other ranks wait; stops a training that does clear harm.

It is imported in training workers only. In: the plan of the validation. Out: a curve, in the record and on its way to
the driver; where the best weights are to be kept, these. What is measured is what would be saved: the weights on their
way back to the base. Everything that is known so far lies in each checkpoint (`validation.json`, `best.safetensors`),
so that a training that goes on ends as if it had never stopped.

The ranks meet after each validation (`is_so_on_all_ranks`), since all of them have to stop at the same step. They wait
for as long as rank 0 measures, which must stay below the half hour after which Ray Train's process group gives up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from engine.artifacts.validation import Validated, ValidationRecord
from engine.search.usage import Similarity
from engine.storage.typed import from_json_values, to_json_values
from training.validation.averaging import Average, put, trained_weights
from training.validation.config import Keep
from training.validation.scores import Floats, interval, mean, ndcg
from training.workers.agreement import is_so_on_all_ranks
from training.workers.progress import ValidationPoint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from training.workers.job import TrainingJob

_STATE_FILE, _BEST_FILE = "validation.json", "best.safetensors"
_LEVEL = 0.99
"""The level of the interval that stops a training: it is looked at about ten times, and must not stop by chance."""
HARM, PATIENCE = "harm", "patience"
"""Why a training stopped early, as the record has it."""


@dataclass(frozen=True)
class RankView:
    """What one rank sees of a training.

    Attributes:
        is_first: whether this is rank 0, which measures.
        device: what the rank computes on.
        bf16: whether the forward pass is in bf16 autocast.
        curve: the actor that takes points for the driver.
    """

    is_first: bool
    device: torch.device
    bf16: bool
    curve: Any


class ValidationCallback(TrainerCallback):
    """Validates, where the job says so; without a plan it does nothing.

    Args:
        job: with the plan and the settings.
        model: the model that is trained, not wrapped.
        average: what the weights are taken back by before they are measured and saved.
        rank: what this rank sees.
        checkpoint: the folder from which training goes on, read at once; None at the beginning.
    """

    def __init__(
        self,
        job: TrainingJob,
        model: SentenceTransformer,
        average: Average,
        rank: RankView,
        checkpoint: Path | None = None,
    ) -> None:
        self._job, self._model, self._average, self._rank = job, model, average, rank
        self._plan, self._settings = job.validation, job.config.validation
        self._curve: list[Validated] = []
        self._first: Floats = np.empty(0)
        self._best: dict[str, torch.Tensor] = {}
        self._stopped_by = ""
        if self._plan and rank.is_first and checkpoint:
            self._load(checkpoint)

    def on_train_begin(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Measures what the model reaches before the first step."""
        if state.global_step == 0:
            self._validate(0, control)

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Measures the model where it is due, and may ask the trainer to stop."""
        if self._plan and self._plan.is_due(state.global_step, self._job.total_steps):
            self._validate(state.global_step, control)

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Writes what is known so far into the checkpoint; the callback that hands it to Ray Train comes later."""
        if self._plan and self._rank.is_first:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            known = {"curve": to_json_values(self._curve), "first": self._first.tolist()}
            (folder / _STATE_FILE).write_text(json.dumps(known), encoding="utf-8")
            if self._best:
                save_file(self._best, folder / _BEST_FILE)

    def take_best(self) -> None:
        """Gives the model the weights of the best validation, where these are to be kept."""
        put(self._model, self._best)

    def record(self) -> ValidationRecord | None:
        """Returns what was measured; None where nothing was."""
        if not self._plan or not self._curve:
            return None
        kept = self._curve[self._best_number()] if self._best else self._curve[-1]
        return ValidationRecord(
            len(self._plan.queries),
            self._plan.num_judged,
            len(self._plan.passages),
            [*self._curve],
            kept.step,
            self._stopped_by,
        )

    def _validate(self, step: int, control: Any) -> None:
        if not self._plan:
            return
        if self._rank.is_first:
            self._measure(step)
            self._stopped_by = self._reason_to_stop() if step < self._job.total_steps else ""
        if not is_so_on_all_ranks(not self._stopped_by, self._rank.device):
            control.should_training_stop = True
            # A checkpoint of this step would go on where training has stopped; the one before it comes here again.
            control.should_save = False

    def _measure(self, step: int) -> None:
        assert self._plan, "there is something to measure"
        with self._average.taken():
            values = ndcg(self._plan, self._similarities())
        if step == 0:
            self._first = values
        differences = values - self._first
        score, difference = mean(self._plan, values), mean(self._plan, differences)
        self._curve.append(Validated(step, score, difference, *interval(self._plan, differences, _LEVEL)))
        if self._settings.keep is Keep.best and self._best_number() == len(self._curve) - 1:
            self._best = trained_weights(self._model)
        self._rank.curve.add.remote(ValidationPoint(step, score))

    def _similarities(self) -> Any:
        """Computes the similarity of each query and each passage, float32 (queries, passages)."""
        assert self._plan, "there is something to measure"
        was_training = self._model.training
        options: dict[str, Any] = {
            "show_progress_bar": False,
            "convert_to_numpy": True,
            "normalize_embeddings": self._job.usage.similarity is Similarity.cosine,
        }
        try:
            with torch.autocast(self._rank.device.type, torch.bfloat16, enabled=self._rank.bf16):
                queries = self._model.encode_query(list(self._plan.queries), **options)
                passages = self._model.encode_document(list(self._plan.passages), **options)
        finally:
            self._model.train(was_training)
        return np.asarray(queries, np.float32) @ np.asarray(passages, np.float32).T

    def _best_number(self) -> int:
        """Returns the number of the validation with the highest score, the first of equals."""
        return int(np.argmax([validated.ndcg for validated in self._curve]))

    def _reason_to_stop(self) -> str:
        if self._curve[-1].high < 0:
            return HARM
        patience = self._settings.patience
        is_stale = patience is not None and len(self._curve) - 1 - self._best_number() >= patience
        return PATIENCE if is_stale else ""

    def _load(self, checkpoint: Path) -> None:
        known = json.loads((checkpoint / _STATE_FILE).read_text(encoding="utf-8"))
        self._curve = [from_json_values(Validated, entry) for entry in known["curve"]]
        self._first = np.array(known["first"])
        if (checkpoint / _BEST_FILE).is_file():
            self._best = load_file(checkpoint / _BEST_FILE)
