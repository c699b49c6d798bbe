"""The cross-encoder: pairs of rows, its loss, and what it learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder
from torch.nn.functional import binary_cross_entropy_with_logits

from tests.support.families import PAIRS, fit, job_of, write_plain_llama
from tests.support.models import write_cross_encoder
from training.config import Family
from training.families.cross_encoder import CrossEncoderFamily, PairLoss, pairs_of
from training.losses.settings import Loss

FAMILY = CrossEncoderFamily()


def test_a_row_is_a_positive_and_its_negatives_or_a_pair_with_a_score() -> None:
    pairs, targets = pairs_of(PAIRS.to_pylist())
    assert pairs == [
        ("word1 word2", "word1 word2 word3"),
        ("word1 word2", "word21 word22"),
        ("word11 word12", "word11 word12 word13 word14"),
        ("word11 word12", "word31 word32 word33"),
    ]
    assert targets == [1.0, 0.0, 1.0, 0.0]
    assert pairs_of([{"query": "a", "passage": "b", "score": 0.25}]) == ([("a", "b")], [0.25])
    taught = {"query": "a", "candidate_0": "b", "candidate_1": "c", "teacher_scores": [2.0, -1.0]}
    assert pairs_of([taught]) == ([("a", "b"), ("a", "c")], [2.0, -1.0])


@pytest.mark.parametrize("loss", [Loss.listwise, Loss.lambda_loss])
def test_it_learns_it_by_comparing_passages_too(base: Path, tmp_path: Path, loss: Loss) -> None:
    settings = {"num_hard_negatives": 1, "learning_rate": 1e-2, "steps": 40}
    job = job_of(base, tmp_path / "tuned", family=Family.cross_encoder, loss=loss, **settings)
    model, losses = fit(job, PAIRS, tmp_path / "work")
    assert losses[-1] < 0.5 * losses[0]
    scores = model.predict(pairs_of(PAIRS.to_pylist())[0])
    assert scores[0] > scores[1]
    assert scores[2] > scores[3]


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_it_learns_which_passage_answers_and_loads_by_its_folder(base: Path, tmp_path: Path, kind: str) -> None:
    plain = write_plain_llama(tmp_path) if kind == "decoder" else base
    job = job_of(
        plain, tmp_path / "tuned", family=Family.cross_encoder, num_hard_negatives=1, learning_rate=1e-2, steps=40
    )
    model, losses = fit(job, PAIRS, tmp_path / "work")
    assert losses[-1] < 0.5 * losses[0]
    assert FAMILY.is_sound(model)
    assert FAMILY.save(job, model).dimensions == 1
    saved = CrossEncoder(str(job.output), device="cpu", local_files_only=True)
    assert saved.num_labels == 1
    pairs, targets = pairs_of(PAIRS.to_pylist())
    assert [bool(score > 0.5) for score in saved.predict(pairs)] == [target == 1 for target in targets]
    assert saved.max_seq_length == 48, "longer than what it read while it was trained"


def test_a_cross_encoder_is_trained_further_with_its_own_head(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path)
    job = job_of(folder, tmp_path / "tuned", family=Family.cross_encoder, num_hard_negatives=1)
    pairs = [("word1", "word2 word3")]
    before = CrossEncoder(str(folder), device="cpu", local_files_only=True).predict(pairs)
    assert FAMILY.load(job).predict(pairs) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("tokens_per_pass", [0, 2])
def test_the_loss_is_the_mean_over_pairs_however_they_are_passed(
    base: Path, tmp_path: Path, tokens_per_pass: int
) -> None:
    job = job_of(base, tmp_path, family=Family.cross_encoder, num_hard_negatives=1)
    model = FAMILY.load(job).eval()
    batch = FAMILY.collator(job, model)(PAIRS.to_pylist())
    scores = torch.tensor(
        [model.predict([pair], activation_fn=torch.nn.Identity())[0] for pair in pairs_of(PAIRS.to_pylist())[0]]
    )
    probabilities = torch.sigmoid(scores)
    expected = -torch.log(torch.where(batch["label"].view(-1) == 1, probabilities, 1 - probabilities)).mean()
    loss = PairLoss(model, binary_cross_entropy_with_logits, tokens_per_pass)([batch["pairs"]], batch["label"])
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_weights_that_are_no_numbers_are_not_sound(base: Path, tmp_path: Path) -> None:
    job = job_of(base, tmp_path, family=Family.cross_encoder, num_hard_negatives=1)
    assert FAMILY.loss(job) is Loss.binary_cross_entropy
    model = FAMILY.load(job)
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("nan"))
    assert not FAMILY.is_sound(model)
