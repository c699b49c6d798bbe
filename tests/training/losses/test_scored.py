"""The losses of a cross-encoder: each has the value and the gradient of the class of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import losses

from tests.support.families import job_of
from tests.support.losses import NEGATIVES, OTHERS, PASSAGES, QUERIES, TEACHER_SCORES
from training.config import Family
from training.families.cross_encoder import CrossEncoderFamily
from training.losses.scored import score_loss
from training.losses.settings import Loss

FAMILY = CrossEncoderFamily()
MINED = [
    {"query": query, "passage": passage, "negative_0": one, "negative_1": other}
    for query, passage, one, other in zip(QUERIES, PASSAGES, NEGATIVES, OTHERS, strict=True)
]
TAUGHT = [
    {"query": query, "candidate_0": passage, "candidate_1": one, "candidate_2": other, "teacher_scores": scores}
    for query, passage, one, other, scores in zip(QUERIES, PASSAGES, NEGATIVES, OTHERS, TEACHER_SCORES, strict=True)
]
LISTS = [QUERIES, [list(passages) for passages in zip(PASSAGES, NEGATIVES, OTHERS, strict=True)]]
"""The same texts as sentence-transformers reads them: queries, and the passages of each."""
FIRST = [torch.tensor([1.0, 0.0, 0.0])] * len(QUERIES)


def plain_binary(model: CrossEncoder) -> torch.Tensor:
    """A pair is a row there."""
    pairs = [
        [query for query in QUERIES for _ in range(3)],
        [passage for passages in LISTS[1] for passage in passages],
    ]
    value: torch.Tensor = losses.BinaryCrossEntropyLoss(model)(pairs, torch.cat(FIRST))
    return value


def plain_listwise(model: CrossEncoder) -> torch.Tensor:
    """The softmax of such labels has all its weight on the first."""
    value: torch.Tensor = losses.ListNetLoss(model)(LISTS, [1e4 * labels for labels in FIRST])
    return value


def plain_lambda(model: CrossEncoder) -> torch.Tensor:
    value: torch.Tensor = losses.LambdaLoss(model)(LISTS, FIRST)
    return value


def plain_margin_mse(model: CrossEncoder) -> torch.Tensor:
    columns = [QUERIES, PASSAGES, NEGATIVES, OTHERS]
    value: torch.Tensor = losses.MarginMSELoss(model)(columns, torch.tensor(TEACHER_SCORES))
    return value


def plain_kl(model: CrossEncoder) -> torch.Tensor:
    """ListNet lacks the teacher's entropy, which has no gradient."""
    taught = 4 * torch.tensor(TEACHER_SCORES)  # a temperature of 0.25
    entropy = torch.distributions.Categorical(logits=taught).entropy().mean()
    divergence = losses.ListNetLoss(model)(LISTS, list(taught)) - entropy
    return 0.7 * divergence + 0.3 * plain_listwise(model)


PLAIN: dict[Loss, tuple[Callable[[CrossEncoder], torch.Tensor], list[dict[str, Any]]]] = {
    Loss.binary_cross_entropy: (plain_binary, MINED),
    Loss.listwise: (plain_listwise, MINED),
    Loss.lambda_loss: (plain_lambda, MINED),
    Loss.margin_mse: (plain_margin_mse, TAUGHT),
    Loss.kl: (plain_kl, TAUGHT),
}


@pytest.mark.parametrize(("tokens_per_pass", "in_pieces"), [(0, False), (40, False), (40, True)])
@pytest.mark.parametrize("kind", PLAIN)
def test_a_loss_is_that_of_sentence_transformers(
    still: Path, tmp_path: Path, kind: Loss, tokens_per_pass: int, in_pieces: bool
) -> None:
    """In one pass, in passes of four pairs, and in pieces of five where a batch does not fit."""
    changes: dict[str, Any] = {"ranking_share": 0.3} if kind is Loss.kl else {}
    family = {"family": Family.cross_encoder, "tokens_per_pass": tokens_per_pass, "mini_batch_size": 5}
    job = job_of(still, tmp_path, loss=kind, **family, **changes)
    torch.manual_seed(0)
    model = FAMILY.load(job).to("cpu").train()
    plain, rows = PLAIN[kind]
    expected = plain(model)
    expected.backward()
    gradients = _taken_gradients(model)
    assert FAMILY.loss(job) is kind
    batch = FAMILY.collator(job, model)(rows)
    loss = FAMILY.build_loss(kind, job, model, world_size=1, on_cpu=True, in_pieces=in_pieces)
    value = loss([batch["pairs"]], batch["label"])
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)
    assert expected.item() > 0
    others = _taken_gradients(model)
    assert set(gradients) == set(others)
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    assert largest > 1e-5, "passages that score alike have small gradients where they are compared"
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, others[name], rtol=1e-3, atol=1e-3 * largest), name


def _taken_gradients(model: CrossEncoder) -> dict[str, torch.Tensor]:
    """The gradient of each weight that has one; the model has none afterwards."""
    gradients = {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}
    model.zero_grad()
    return gradients


@pytest.mark.parametrize("kind", PLAIN)
def test_the_mean_over_halves_of_a_batch_is_that_of_the_batch(still: Path, tmp_path: Path, kind: Loss) -> None:
    """As two workers have it."""
    loss = score_loss(kind, job_of(still, tmp_path, family=Family.cross_encoder).config)
    scores, targets = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor(TEACHER_SCORES)
    if kind in {Loss.binary_cross_entropy, Loss.lambda_loss}:
        targets = torch.stack(FIRST)
    halves = [loss(scores[part], targets[part]) for part in (slice(0, 3), slice(3, 6))]
    assert float(sum(halves)) / 2 == pytest.approx(float(loss(scores, targets)), rel=1e-5)
