"""Matryoshka around the losses: the sum over the first dimensions of vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers.sentence_transformer import losses

from tests.support.losses import BATCHES, loss_and_gradients, training_model
from tests.support.training import make_config
from training.losses.build import build_loss
from training.losses.matryoshka import in_dimensions
from training.losses.settings import Loss

WHOLE_VECTORS = [Loss.denoising]


@pytest.mark.parametrize("kind", [kind for kind in BATCHES if kind not in WHOLE_VECTORS])
def test_every_loss_of_vectors_is_summed_over_dimensions(still: Path, kind: Loss) -> None:
    """That it is embedded once, in passes, is all that differs from the sum of losses of shorter vectors."""
    config, (columns, labels) = make_config(still, matryoshka=[32, 8], mini_batch_size=4), BATCHES[kind]
    model = training_model(config)
    loss = build_loss(kind, config, model, world_size=1, on_cpu=True)
    assert isinstance(loss, losses.MatryoshkaLoss)
    value, gradients = loss_and_gradients(model, loss, columns, labels)
    expected, parts = 0.0, []
    for size in (32, 8):
        model = training_model(config)
        plain = build_loss(kind, make_config(still, mini_batch_size=4), model, world_size=1, on_cpu=False)
        model.register_forward_hook(lambda _, __, output, size=size: shorten(output, size))
        part, gradient = loss_and_gradients(model, plain, columns, labels)
        expected += part
        parts.append(gradient)
    assert value == pytest.approx(expected, rel=1e-4)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, parts[0][name] + parts[1][name], rtol=1e-3, atol=5e-5), name


def shorten(output: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """Cuts the vectors of a model's output."""
    vectors = output["sentence_embedding"][:, :size]
    return output | {"sentence_embedding": torch.nn.functional.normalize(vectors, dim=-1)}


def test_without_dimensions_a_loss_stays_as_it_is(still: Path) -> None:
    config = make_config(still)
    loss = torch.nn.Identity()
    assert in_dimensions(config, training_model(config), loss) is loss
