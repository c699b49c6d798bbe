"""From a name in the config to a loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

from tests.support.training import load, make_config
from training.config import Loss
from training.losses.build import build_loss
from training.losses.ranking import RaggedRankingLoss

KINDS = {Loss.mnrl: RaggedRankingLoss, Loss.cached_mnrl: CachedMultipleNegativesRankingLoss}


@pytest.fixture(scope="module")
def model(base: Path) -> SentenceTransformer:
    return load(make_config(base))


@pytest.mark.parametrize("kind", [kind for kind in Loss if kind is not Loss.auto])
def test_every_loss_of_the_config_can_be_built(model: SentenceTransformer, base: Path, kind: Loss) -> None:
    loss = build_loss(kind, make_config(base, scale=7.0), model, world_size=1, on_cpu=True)
    assert type(loss) is KINDS[kind]
    assert loss.scale == 7.0


def test_a_loss_that_is_not_decided_is_not_built(model: SentenceTransformer, base: Path) -> None:
    with pytest.raises(AssertionError, match="decided before"):
        build_loss(Loss.auto, make_config(base), model, world_size=1, on_cpu=True)


@pytest.mark.parametrize(("world_size", "gathered"), [(1, False), (2, True)])
def test_several_workers_gather_their_embeddings(
    model: SentenceTransformer, base: Path, world_size: int, gathered: bool
) -> None:
    loss = build_loss(Loss.mnrl, make_config(base), model, world_size=world_size, on_cpu=True)
    assert loss.gather_across_devices is gathered
