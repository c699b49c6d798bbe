"""The triplet loss asks for its margin, by the similarity of the model, for every negative."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.losses import training_model
from tests.support.training import make_config
from training.losses.triplet import triplet_loss


@pytest.mark.parametrize(("similarity", "expected"), [("cosine", (0.0, 0.5, 0.25)), ("dot", (0.0, 1.5, 0.75))])
def test_the_passage_is_to_be_nearer_by_the_margin(
    still: Path, similarity: str, expected: tuple[float, float, float]
) -> None:
    config = make_config(still, margin=0.5)
    model = training_model(config)
    model.similarity_fn_name = similarity
    loss = triplet_loss(config, model, 1)
    query, passage = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    far, near = torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 0.0]])
    values = [
        float(loss.compute_loss_from_embeddings([query, passage, *negatives], None))
        for negatives in ([far], [near], [far, near])
    ]
    assert values == pytest.approx(expected)
