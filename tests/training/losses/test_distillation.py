"""The losses that learn from a teacher: what they want of the student, and the share of the ranking loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.support.losses import BATCHES, loss_and_gradients, training_model
from tests.support.training import make_config
from training.losses.build import build_loss
from training.losses.distillation import kl_loss, margin_mse_loss
from training.losses.settings import Loss


@pytest.fixture
def model(still: Path) -> SentenceTransformer:
    return training_model(make_config(still))


def vectors(*cosines: float) -> list[torch.Tensor]:
    """A query, and candidates whose cosines with it are these."""
    candidates = [torch.tensor([[cosine, (1 - cosine**2) ** 0.5]]) for cosine in cosines]
    return [torch.tensor([[1.0, 0.0]]), *candidates]


def test_a_student_that_ranks_as_its_teacher_has_nothing_to_learn(model: SentenceTransformer, still: Path) -> None:
    config = make_config(still, ranking_share=0.0, teacher_temperature=0.5)
    scores = torch.tensor([[0.9, 0.5, 0.3]]) * 20 * 0.5
    for build, teacher in ((kl_loss, scores), (margin_mse_loss, scores / 0.5)):
        loss = build(config, model, 1)
        assert float(loss.compute_loss_from_embeddings(vectors(0.9, 0.5, 0.3), teacher)) == pytest.approx(0, abs=1e-5)
        assert float(loss.compute_loss_from_embeddings(vectors(0.3, 0.5, 0.9), teacher)) > 0.1


def test_a_sharp_teacher_asks_for_more(model: SentenceTransformer, still: Path) -> None:
    values = []
    for temperature in (1.0, 0.1):
        loss = kl_loss(make_config(still, ranking_share=0.0, teacher_temperature=temperature), model, 1)
        values.append(float(loss.compute_loss_from_embeddings(vectors(0.5, 0.5), torch.tensor([[1.0, 0.8]]))))
    assert values[0] < values[1]


def value(model: SentenceTransformer, base: Path, **changes: Any) -> float:
    loss = build_loss(Loss.kl, make_config(base, **changes), model, world_size=1, on_cpu=True)
    return loss_and_gradients(model, loss, *BATCHES[Loss.kl])[0]


def test_the_ranking_loss_has_its_share_over_own_or_all_candidates(model: SentenceTransformer, still: Path) -> None:
    columns, _ = BATCHES[Loss.kl]
    ranking = build_loss(Loss.mnrl, make_config(still), model, world_size=1, on_cpu=True)
    among_all = loss_and_gradients(model, ranking, columns, None)[0]
    without = value(model, still, ranking_share=0.0)
    assert value(model, still, ranking_share=0.3) == pytest.approx(0.7 * without + 0.3 * among_all, rel=1e-4)
    with torch.no_grad():
        query, *candidates = (model(dict(model.preprocess(list(column))))["sentence_embedding"] for column in columns)
        cosines = torch.stack([torch.cosine_similarity(query, candidate) for candidate in candidates], 1)
        own = float(torch.nn.functional.cross_entropy(20 * cosines, torch.zeros(len(query), dtype=torch.long)))
    alone = value(model, still, ranking_share=0.3, share_candidates=False)
    assert alone == pytest.approx(0.7 * without + 0.3 * own, rel=1e-4)
    assert own < among_all
