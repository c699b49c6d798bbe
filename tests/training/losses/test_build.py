"""From a name in the config to a loss: each is that of sentence-transformers, with one worker and with two."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer, util
from sentence_transformers.sentence_transformer import losses

from tests.support.losses import BATCHES, gradients_over_workers, loss_and_gradients, training_model
from tests.support.paths import ROOT
from tests.support.training import make_config
from tests.support.waiting import PATIENCE_SECONDS
from training.families.lora import LoraConfig, add_lora
from training.losses.build import build_loss
from training.losses.settings import Loss

COMPARING = [kind for kind in BATCHES if kind is not Loss.denoising]
"""The losses whose gradient no number of workers changes; a mean over words depends on who has the long texts."""


def plain_kl(model: SentenceTransformer) -> torch.nn.Module:
    """Both parts as sentence-transformers has them, half of each."""
    divergence = losses.DistillKLDivLoss(
        model, similarity_fct=util.pairwise_cos_sim, student_temperature=1 / 20, teacher_temperature=0.25
    )
    ranking = losses.MultipleNegativesRankingLoss(model)

    class Both(torch.nn.Module):
        def forward(self, features: list[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
            again = [dict(column) for column in features]
            return 0.5 * 400 * divergence(features, labels) + 0.5 * ranking(again, labels)

    return Both()


def plain_triplet(model: SentenceTransformer) -> torch.nn.Module:
    """The mean of the losses with each of two negatives."""
    loss = losses.TripletLoss(model, distance_metric=losses.TripletDistanceMetric.COSINE, triplet_margin=0.5)

    class Both(torch.nn.Module):
        def forward(self, features: list[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
            query, passage, *negatives = features
            parts = [loss([dict(column) for column in (query, passage, one)], labels) for one in negatives]
            return sum(parts) / len(parts)

    return Both()


def plain_margin_mse(model: SentenceTransformer) -> torch.nn.Module:
    """Cosines at the scale of a cross-encoder's scores."""
    return losses.MarginMSELoss(model, similarity_fct=lambda one, other: 20 * util.pairwise_cos_sim(one, other))


def plain_gist(model: SentenceTransformer) -> torch.nn.Module:
    """The guide is another copy of the base."""
    guide = SentenceTransformer(model.transformers_model.config._name_or_path, device="cpu")
    guide.max_seq_length = model.max_seq_length
    return losses.GISTEmbedLoss(model, guide, temperature=0.05, contrast_anchors=False, contrast_positives=False)


def plain_denoising(model: SentenceTransformer) -> torch.nn.Module:
    """The decoder is drawn by the same seed."""
    torch.manual_seed(0)
    return losses.DenoisingAutoEncoderLoss(model, tie_encoder_decoder=True)


PLAIN: dict[Loss, Callable[[SentenceTransformer], torch.nn.Module]] = {
    Loss.mnrl: losses.MultipleNegativesRankingLoss,
    Loss.cached_mnrl: losses.MultipleNegativesRankingLoss,
    Loss.gist: plain_gist,
    Loss.triplet: plain_triplet,
    Loss.contrastive: losses.ContrastiveLoss,
    Loss.cosine: losses.CosineSimilarityLoss,
    Loss.cosent: losses.CoSENTLoss,
    Loss.denoising: plain_denoising,
    Loss.margin_mse: plain_margin_mse,
    Loss.kl: plain_kl,
}


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("kind", BATCHES)
def test_a_loss_is_that_of_sentence_transformers(still: Path, kind: Loss, on_cpu: bool, in_pieces: bool) -> None:
    """In passes of three rows, as on a CPU, and in one; and where a batch does not fit, in pieces of four rows."""
    config, (columns, labels) = make_config(still, mini_batch_size=4), BATCHES[kind]
    model = training_model(config)
    expected, gradients = loss_and_gradients(model, PLAIN[kind](model), columns, labels)
    model = training_model(config)
    loss = build_loss(kind, config, model, world_size=1, on_cpu=on_cpu, in_pieces=in_pieces)
    value, others = loss_and_gradients(model, loss, columns, labels)
    assert value == pytest.approx(expected, rel=1e-5)
    assert expected > 0
    assert_equal(gradients, others)


@pytest.mark.parametrize("kind", [Loss.cached_mnrl, Loss.kl])
def test_in_pieces_the_matrices_of_lora_have_the_gradients_of_whole_batches(still: Path, kind: Loss) -> None:
    config, found = make_config(still, mini_batch_size=4, lora=LoraConfig(rank=4)), []
    for built, in_pieces in ((kind, True), (Loss.mnrl if kind is Loss.cached_mnrl else kind, False)):
        model = training_model(config)
        torch.manual_seed(0)  # of the matrices
        add_lora(config.lora, model.transformers_model)
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.1)  # they begin as zeros, and then the others get no gradient
        loss = build_loss(built, config, model, world_size=1, on_cpu=True, in_pieces=in_pieces)
        found.append(loss_and_gradients(model, loss, *BATCHES[kind])[1])
    assert all("lora" in name for name in found[0])
    assert_equal(*found)


def assert_equal(gradients: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    """Holds gradients against each other, up to rounding."""
    assert set(gradients) == set(others)
    assert any(gradient.abs().max() > 1e-3 for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, others[name], rtol=1e-3, atol=2e-5), name


def test_two_workers_have_the_gradient_of_one(still: Path, tmp_path: Path) -> None:
    """Each has half of the batch, at once or in pieces; losses that compare rows gather them, and others are means."""
    (tmp_path / "base").symlink_to(still)
    code = "import sys; from pathlib import Path; from tests.support.losses import gradients_over_workers as run; "
    command = [sys.executable, "-c", code + "run(Path(sys.argv[1]), 1, 2)", str(tmp_path)]
    other = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    gradients_over_workers(tmp_path, 0, 2)  # one more process would take as long to start as all else
    errors = other.communicate(timeout=PATIENCE_SECONDS)[1]
    assert other.returncode == 0, errors
    config = make_config(still)
    for kind in COMPARING:
        model = training_model(config)
        loss = build_loss(kind, config, model, world_size=1, on_cpu=True)
        _, gradients = loss_and_gradients(model, loss, *BATCHES[kind])
        for in_pieces in (False, True):
            assert_equal(gradients, torch.load(tmp_path / f"{kind.value}-{in_pieces}.pt"))
    first, second = (torch.load(tmp_path / f"own-{rank}.pt") for rank in range(2))
    assert any(name.endswith("crossattention.self.query.weight") for name in first)
    assert all(torch.equal(gradient, second[name]) for name, gradient in first.items())


def test_a_loss_that_is_not_decided_is_not_built(base: Path) -> None:
    config = make_config(base)
    with pytest.raises(AssertionError, match="decided before"):
        build_loss(Loss.auto, config, training_model(config), world_size=1, on_cpu=True)
