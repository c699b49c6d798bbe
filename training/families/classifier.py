"""The classifier: a text gets one label, or any number of them.

In: a language model, texts and the numbers of their labels. Out: a folder of transformers, which
`pipeline("text-classification", folder)` loads. Scores of a model that was trained to be right are too sure of
themselves; the temperature by which they are divided is found on held-out rows (Guo et al. 2017) and stands in the
folder's config.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from engine.artifacts.forms import TEXT, WEIGHT
from engine.models.resolve import MODEL_CONFIG
from engine.models.temperature import fit_temperature
from training.families.lora import merge_lora
from training.families.scorer import batch_scores, is_sound_scorer, load_scorer, score_texts
from training.labels import TARGETS, Labels
from training.losses.settings import Loss
from training.workers.job import Figures, TrainingJob
from training.workers.trainer import StreamScorerTrainer


class Classifier:
    """The family `classifier`; see `training.families.family.ModelFamily`."""

    trainer = StreamScorerTrainer

    def loss(self, job: TrainingJob) -> Loss:
        """Returns the loss that fits the rows: of one label, or of several."""
        return Loss.binary_cross_entropy if _labels(job).several else Loss.cross_entropy

    def splits_batches(self, _: Loss) -> bool:
        """Tells that none is split: a batch is few texts."""
        return False

    def load(self, job: TrainingJob) -> CrossEncoder:
        """Loads the base with a head of a score for each label, random unless the base is a classifier of as many."""
        labels = _labels(job)
        model = load_scorer(job, len(labels.names))
        config = model.config
        config.id2label = dict(enumerate(labels.names))
        config.label2id = {name: number for number, name in enumerate(labels.names)}
        config.problem_type = f"{'multi' if labels.several else 'single'}_label_classification"
        return model

    def text_arguments(self, job: TrainingJob) -> dict[str, Any]:
        """Returns nothing: texts are read as they are."""
        del job
        return {}

    def collator(self, job: TrainingJob, model: CrossEncoder) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Returns what makes a tokenized batch, with the target of each label and the row's weight behind them."""
        labels = _labels(job)

        def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
            weights = torch.tensor([[row[WEIGHT]] for row in rows])
            targets = torch.cat([one_hot([row[TARGETS] for row in rows], len(labels.names)), weights], dim=1)
            return {"texts": dict(model.preprocess([row[TEXT] for row in rows])), "label": targets}

        return collate

    def build_loss(
        self,
        kind: Loss,
        job: TrainingJob,
        model: CrossEncoder,
        *,
        world_size: int,
        on_cpu: bool,
        in_pieces: bool = False,
    ) -> torch.nn.Module:
        """Builds the cross-entropy of one label among all, or of each label by itself; never in pieces."""
        del world_size, in_pieces
        assert kind is self.loss(job), kind
        return LabelLoss(model, _labels(job), job.config.tokens_per_pass if on_cpu else 0)

    def is_sound(self, model: CrossEncoder) -> bool:
        """Tells whether all weights and the scores of a text are finite numbers."""
        return is_sound_scorer(model, "a text")

    def save(self, job: TrainingJob, model: CrossEncoder) -> Figures:
        """Finds the temperature, and writes the model as a folder of transformers."""
        labels, layers = _labels(job), model.transformers_model
        merge_lora(job.config.lora, layers)
        held_out = labels.held_out
        targets = one_hot(held_out.targets, len(labels.names))
        scores = score_texts(model, held_out.texts).double().numpy()
        temperature = fit_temperature(scores, targets.numpy() > 0, several=labels.several)
        layers.save_pretrained(str(job.output))
        model.tokenizer.save_pretrained(str(job.output))
        _note_temperature(job.output / MODEL_CONFIG, temperature)
        return Figures(dimensions=len(labels.names), temperature=temperature)


def _labels(job: TrainingJob) -> Labels:
    assert job.labels, "the driver reads the labels of a classifier's rows"
    return job.labels


def one_hot(targets: Any, num_labels: int) -> torch.Tensor:
    """Returns 1 for each label that a row has and 0 for the others, float32 (rows, labels).

    Args:
        targets: the numbers of each row's labels.
        num_labels: how many labels there are.
    """
    hot = torch.zeros(len(targets), num_labels)
    for row, numbers in enumerate(targets):
        hot[row, list(numbers)] = 1.0
    return hot


class LabelLoss(torch.nn.Module):
    """The loss of a batch that `Classifier.collator` made.

    Args:
        model: the model that is trained; the trainer puts its wrapper, which adds gradients of workers, in its place.
        labels: what is told apart.
        tokens_per_pass: see `training.families.scorer.batch_scores`.
    """

    def __init__(self, model: CrossEncoder, labels: Labels, tokens_per_pass: int) -> None:
        super().__init__()
        self.model = model
        self._several = labels.several
        self._label_weights = torch.tensor(labels.weights) if labels.weights else None
        self._tokens_per_pass = tokens_per_pass

    def forward(self, features: list[dict[str, Any]], targets: torch.Tensor, **_: Any) -> torch.Tensor:
        """Computes the loss, each row times its weight; weights have a mean of one over all rows.

        Args:
            features: the tokenized texts, as the only item.
            targets: which labels each row has, and its weight, (rows, labels + 1).
        """
        scores = batch_scores(self.model, features[0], self._tokens_per_pass)
        hot, weights = targets[:, :-1].to(scores), targets[:, -1].to(scores)
        return (weights * loss_of_rows(scores, hot, several=self._several, weights=self._label_weights)).mean()


def loss_of_rows(
    scores: torch.Tensor, hot: torch.Tensor, *, several: bool, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Returns the cross-entropy of each row, (rows,).

    Args:
        scores: of the labels, (rows, labels).
        hot: which labels each row has, of the same shape.
        several: whether each label is a question by itself; their mean is taken.
        weights: how much having a label counts there, (labels,).
    """
    if not several:
        return cross_entropy(scores, hot, reduction="none")
    weights = None if weights is None else weights.to(scores)
    return binary_cross_entropy_with_logits(scores, hot, pos_weight=weights, reduction="none").mean(dim=1)


def _note_temperature(config_file: Path, temperature: float) -> None:
    """Adds the temperature to a config, which transformers itself would take for a setting of generation and refuse."""
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["temperature"] = temperature
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
