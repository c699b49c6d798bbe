"""The losses of graded pairs follow scores; that they are those of sentence-transformers is held in test_build."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.support.losses import training_model
from tests.support.training import make_config
from training.losses.graded import contrastive_loss, cosent_loss, cosine_loss

NEAR, FAR = [1.0, 0.0], [0.0, 1.0]


@pytest.fixture
def model(still: Path) -> SentenceTransformer:
    return training_model(make_config(still))


def loss_of(loss: torch.nn.Module, scores: list[float], others: list[list[float]]) -> float:
    vectors = [torch.tensor([NEAR] * len(others)), torch.tensor(others)]
    return float(loss.compute_loss_from_embeddings(vectors, torch.tensor(scores)))


@pytest.mark.parametrize("build", [cosine_loss, contrastive_loss, cosent_loss])
def test_a_loss_is_small_where_likeness_goes_with_the_score(
    model: SentenceTransformer, still: Path, build: object
) -> None:
    assert callable(build)
    loss = build(make_config(still), model, 1)
    assert loss_of(loss, [1.0, 0.0], [NEAR, FAR]) < 1e-6 < loss_of(loss, [0.0, 1.0], [NEAR, FAR])


def test_the_margin_says_how_far_apart_is_enough(model: SentenceTransformer, still: Path) -> None:
    half = [0.5**0.5, 0.5**0.5]  # at a cosine distance of 0.29
    losses = [contrastive_loss(make_config(still, margin=margin), model, 1) for margin in (0.2, 0.5)]
    assert [loss_of(loss, [0.0], [half]) > 0 for loss in losses] == [False, True]


def test_a_model_for_dot_products_is_ordered_by_them(model: SentenceTransformer, still: Path) -> None:
    model.similarity_fn_name = "dot"
    loss = cosent_loss(make_config(still), model, 1)
    longer, long = [3.0, 0.0], [2.0, 0.0]
    assert loss_of(loss, [1.0, 0.5], [longer, long]) == pytest.approx(0.3133, abs=1e-3), "log(1 + exp(2 - 3))"
