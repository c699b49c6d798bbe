"""The ranking losses: their scale, directions and similarity, and the guide that masks false negatives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

from tests.support.losses import PASSAGES, QUERIES, loss_and_gradients, training_model
from tests.support.training import make_config, with_settings
from training.losses.build import build_loss
from training.losses.ranking import cached_ranking_loss, guided_loss, ranking_loss
from training.losses.settings import Loss

PAIRS = (QUERIES, PASSAGES)


@pytest.fixture
def model(still: Path) -> SentenceTransformer:
    return training_model(make_config(still))


def value(model: SentenceTransformer, kind: Loss, base: Path, **changes: object) -> float:
    loss = build_loss(kind, make_config(base, **changes), model, world_size=1, on_cpu=True)
    return loss_and_gradients(model, loss, PAIRS, None)[0]


def test_the_scale_and_the_second_direction_change_the_loss(model: SentenceTransformer, still: Path) -> None:
    for kind in (Loss.mnrl, Loss.cached_mnrl):
        values = [value(model, kind, still, **changes) for changes in ({}, {"scale": 5.0}, {"symmetric": True})]
        assert len(set(values)) == 3
    assert value(model, Loss.mnrl, still, symmetric=True) == pytest.approx(values[2], rel=1e-5)


@pytest.mark.parametrize("kind", [Loss.mnrl, Loss.cached_mnrl])
def test_a_model_for_dot_products_is_trained_by_them(model: SentenceTransformer, still: Path, kind: Loss) -> None:
    """The loss is the cross-entropy of the scores that `model.similarity` gives, at a scale of 1."""
    for similarity, scale in (("dot", 1.0), ("cosine", 20.0)):
        model.similarity_fn_name = similarity
        with torch.no_grad():
            queries, passages = (model(dict(model.preprocess(list(column))))["sentence_embedding"] for column in PAIRS)
        labels = torch.arange(len(QUERIES))
        expected = torch.nn.functional.cross_entropy(scale * model.similarity(queries, passages), labels)
        assert value(model, kind, still) == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize(("world_size", "gathered"), [(1, False), (2, True)])
def test_several_workers_gather_their_embeddings(
    model: SentenceTransformer, still: Path, world_size: int, gathered: bool
) -> None:
    config = make_config(still)
    assert ranking_loss(config, model, world_size).gather_across_devices is gathered
    for build in (cached_ranking_loss, guided_loss):
        assert build(config, model, world_size=world_size, on_cpu=True).gather_across_devices is gathered


def test_a_gpu_gets_larger_pieces(model: SentenceTransformer, still: Path) -> None:
    sizes = {}
    for on_cpu in (True, False):
        loss = cached_ranking_loss(make_config(still), model, world_size=1, on_cpu=on_cpu)
        assert isinstance(loss, CachedMultipleNegativesRankingLoss)
        sizes[on_cpu] = loss.mini_batch_size
    assert sizes == {True: 32, False: 256}


def test_the_guide_leaves_out_what_it_takes_for_answers(
    model: SentenceTransformer, still: Path, tmp_path: Path
) -> None:
    """A passage that stands twice scores no less than the query's own one, and a second copy is no negative."""
    pairs = ([QUERIES[0], QUERIES[1]], [PASSAGES[3], PASSAGES[3]])
    named = with_settings(still, tmp_path / "guide")
    plain = build_loss(Loss.mnrl, make_config(still), model, world_size=1, on_cpu=True)
    assert loss_and_gradients(model, plain, pairs, None)[0] == pytest.approx(0.6931, abs=1e-3)
    for guide in ("", str(named)):
        loss = build_loss(Loss.gist, make_config(still, guide=guide), model, world_size=1, on_cpu=True)
        masked, _ = loss_and_gradients(model, loss, ([QUERIES[0], QUERIES[1]], [NEAR, FAR]), None)
        unmasked, _ = loss_and_gradients(model, plain, ([QUERIES[0], QUERIES[1]], [NEAR, FAR]), None)
        assert 0 < masked < unmasked


NEAR, FAR = QUERIES[1], PASSAGES[5]
"""The first query's passage is the second query, to which its own passage is farther."""


def test_the_guide_is_the_base_where_training_goes_on_from_another_model(
    model: SentenceTransformer, still: Path
) -> None:
    """As from the second iteration on."""
    untouched = training_model(make_config(still)).state_dict()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1)
    guide = guided_loss(make_config(still), model, world_size=1, on_cpu=True).guide.state_dict()
    assert guide.keys() == untouched.keys()
    assert all(torch.equal(guide[name], weights) for name, weights in untouched.items())


def test_nothing_trains_the_guide(model: SentenceTransformer, still: Path) -> None:
    loss = guided_loss(make_config(still), model, world_size=1, on_cpu=True)
    before = [weights.clone() for weights in loss.guide.parameters()]
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(1.0)
    assert all(torch.equal(one, other) for one, other in zip(before, loss.guide.parameters(), strict=True))
    assert not any(weights.requires_grad for weights in loss.guide.parameters())
    assert not loss.guide.training
