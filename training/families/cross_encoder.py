"""The cross-encoder: a query and a passage are read together and get one score.

In: a language model, rows of a query, its passage, and passages that do not answer it; of a query and candidates with
the scores of a teacher; or of two texts and a score. Out: a folder that `CrossEncoder(folder)` loads. Each pair is
scored by itself, and losses compare the pairs of one query only, so that a batch needs no rules about what its rows
share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from engine.artifacts.forms import NEGATIVE, PASSAGE, QUERY, SCORE
from training.batches.columns import TEACHER_SCORES, candidate_columns
from training.families.lora import merge_lora
from training.families.scorer import batch_scores, is_sound_scorer, load_scorer
from training.losses.pieces import LossInPieces
from training.losses.ranking import piece_rows
from training.losses.scored import ScoreLoss, score_loss
from training.losses.settings import Loss
from training.workers.job import Figures, TrainingJob
from training.workers.trainer import StreamScorerTrainer


class CrossEncoderFamily:
    """The family `cross_encoder`; see `training.families.family.ModelFamily`."""

    trainer = StreamScorerTrainer

    def loss(self, job: TrainingJob) -> Loss:
        """Returns the loss of the config, where `auto` stands for the binary cross-entropy."""
        return Loss.binary_cross_entropy if job.config.loss is Loss.auto else job.config.loss

    def splits_batches(self, _: Loss) -> bool:
        """Tells so of all losses: they compare scores."""
        return True

    def load(self, job: TrainingJob) -> CrossEncoder:
        """Loads the base with a head of one score, which is random unless the base is a cross-encoder."""
        return load_scorer(job, 1)

    def text_arguments(self, job: TrainingJob) -> dict[str, Any]:
        """Returns nothing: texts are read as they are."""
        del job
        return {}

    def collator(self, job: TrainingJob, model: CrossEncoder) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Returns what makes a tokenized batch of pairs, and what each is to score, (rows, pairs of a row)."""
        del job

        def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
            pairs, targets = pairs_of(rows)
            return {"pairs": dict(model.preprocess(pairs)), "label": torch.tensor(targets).view(len(rows), -1)}

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
        """Builds the loss of scores and targets; each row counts the same, so that workers need not know each other."""
        del world_size
        loss = PairLoss(model, score_loss(kind, job.config), job.config.tokens_per_pass if on_cpu else 0)
        if in_pieces:
            return LossInPieces(model, loss.of_columns, rows=piece_rows(job.config, on_cpu=on_cpu), output="scores")
        return loss

    def is_sound(self, model: CrossEncoder) -> bool:
        """Tells whether all weights and a score are finite numbers."""
        return is_sound_scorer(model, ("a query", "a passage"))

    def save(self, job: TrainingJob, model: CrossEncoder) -> Figures:
        """Writes the model, its low-rank matrices merged."""
        merge_lora(job.config.lora, model.transformers_model)
        model.save_pretrained(str(job.output), create_model_card=False, safe_serialization=True)
        return Figures(dimensions=1)


def pairs_of(rows: Sequence[dict[str, Any]]) -> tuple[list[tuple[str, str]], list[float]]:
    """Makes pairs of rows: one where a row has a score, else one for each candidate or negative, the positive first.

    Returns:
        the pairs, those of a row together, and what their scores are to say: the row's score, those of the teacher, or
        1 of a passage that answers and 0 of others.
    """
    if SCORE in rows[0]:
        return [(row[QUERY], row[PASSAGE]) for row in rows], [float(row[SCORE]) for row in rows]
    if TEACHER_SCORES in rows[0]:
        names = candidate_columns(rows[0])
        targets = [float(score) for row in rows for score in row[TEACHER_SCORES]]
    else:
        names = [PASSAGE, *(name for name in rows[0] if name.startswith(NEGATIVE))]
        targets = [1.0, *[0.0] * (len(names) - 1)] * len(rows)
    return [(row[QUERY], row[name]) for row in rows for name in names], targets


class PairLoss(torch.nn.Module):
    """The loss of a batch that `CrossEncoderFamily.collator` made.

    Args:
        model: the model that is trained; the trainer puts its wrapper, which adds gradients of workers, in its place.
        loss: compares scores with targets.
        tokens_per_pass: see `training.families.scorer.batch_scores`.
    """

    def __init__(self, model: CrossEncoder, loss: ScoreLoss, tokens_per_pass: int) -> None:
        super().__init__()
        self.model = model
        self._loss = loss
        self._tokens_per_pass = tokens_per_pass

    def forward(self, features: list[dict[str, Any]], targets: torch.Tensor, **_: Any) -> torch.Tensor:
        """Computes the loss.

        Args:
            features: the tokenized pairs, as the only item.
            targets: what the pairs are to score, (rows, pairs of a row).
        """
        return self._of_scores(batch_scores(self.model, features[0], self._tokens_per_pass), targets)

    def of_columns(self, columns: list[torch.Tensor], targets: torch.Tensor | None) -> torch.Tensor:
        """Computes the loss from the scores of all pairs, (pairs, 1), as the only item."""
        assert targets is not None, "pairs have targets"
        return self._of_scores(columns[0].float(), targets)

    def _of_scores(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self._loss(scores.view(targets.shape), targets.to(scores))
