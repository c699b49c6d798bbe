"""The ranking losses: passes of like length and GradCache give the same loss and gradients as one plain pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.support.training import WORDS, make_config
from training.losses.ranking import RaggedRankingLoss, cached_ranking_loss, embed_ragged, ranking_loss

QUERIES = [" ".join(WORDS[number : number + 3]) for number in range(6)]
PASSAGES = [" ".join(WORDS[number : number + 2 + 4 * number]) for number in range(6)]


@pytest.fixture
def model(base: Path, tmp_path: Path) -> SentenceTransformer:
    """The small BERT without dropout, in training mode."""
    folder = shutil.copytree(base, tmp_path / "encoder")
    settings = json.loads((folder / "config.json").read_text())
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(settings | off))
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True).train()


def features(model: SentenceTransformer) -> list[dict[str, Any]]:
    return [dict(model.preprocess(texts)) for texts in (QUERIES, PASSAGES)]


def loss_and_gradients(model: SentenceTransformer, loss: torch.nn.Module) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    value = loss(features(model), torch.arange(len(QUERIES)))
    value.backward()
    return value.item(), [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("symmetric", [False, True])
def test_all_ways_to_embed_a_batch_learn_the_same(model: SentenceTransformer, base: Path, symmetric: bool) -> None:
    config = make_config(base, symmetric=symmetric, rows_per_pass=4, mini_batch_size=4)
    expected, gradients = loss_and_gradients(model, ranking_loss(config, model, world_size=1, on_cpu=False))
    assert expected > 0
    for build in (ranking_loss, cached_ranking_loss):
        value, others = loss_and_gradients(model, build(config, model, world_size=1, on_cpu=True))
        assert value == pytest.approx(expected, abs=1e-5)
        assert len(others) == len(gradients)
        for gradient, other in zip(gradients, others, strict=True):
            assert torch.allclose(gradient, other, atol=1e-5)


def test_the_scale_and_the_second_direction_change_the_loss(model: SentenceTransformer, base: Path) -> None:
    values = {
        loss_and_gradients(model, ranking_loss(make_config(base, **changes), model, world_size=1, on_cpu=True))[0]
        for changes in ({}, {"scale": 5.0}, {"symmetric": True})
    }
    assert len(values) == 3


@pytest.mark.parametrize("build", [ranking_loss, cached_ranking_loss])
def test_a_model_for_dot_products_is_trained_by_them(model: SentenceTransformer, base: Path, build: Any) -> None:
    """The loss is the cross-entropy of the scores that `model.similarity` gives, at a scale of 1."""
    labels = torch.arange(len(QUERIES))
    for similarity, scale in (("dot", 1.0), ("cosine", 20.0)):
        model.similarity_fn_name = similarity
        with torch.no_grad():
            queries, passages = (model(column)["sentence_embedding"] for column in features(model))
        expected = torch.nn.functional.cross_entropy(scale * model.similarity(queries, passages), labels)
        value, _ = loss_and_gradients(model, build(make_config(base), model, world_size=1, on_cpu=True))
        assert value == pytest.approx(expected.item(), abs=1e-5)


def test_passes_are_made_on_a_cpu_only(model: SentenceTransformer, base: Path) -> None:
    widths: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(lambda _, inputs: widths.append(tuple(inputs[0]["input_ids"].shape)))
    for on_cpu, passes in ((True, 4), (False, 2)):
        widths.clear()
        loss = ranking_loss(make_config(base, rows_per_pass=3), model, world_size=1, on_cpu=on_cpu)
        assert isinstance(loss, RaggedRankingLoss)
        loss(features(model), torch.arange(len(QUERIES)))
        assert len(widths) == passes
        assert len({width for _, width in widths}) == (3 if on_cpu else 2), "short passages are not padded to long ones"


@pytest.mark.parametrize("rows_per_pass", [0, 1, 4, 6, 50])
def test_rows_keep_their_order(model: SentenceTransformer, rows_per_pass: int) -> None:
    column = features(model)[1]
    whole = model(dict(column))["sentence_embedding"]
    assert torch.allclose(embed_ragged(model, column, rows_per_pass), whole, atol=1e-5)


def test_texts_that_are_padded_on_the_left_are_not_cut(model: SentenceTransformer) -> None:
    column = {name: value.flip(1) for name, value in features(model)[1].items() if isinstance(value, torch.Tensor)}
    whole = model(dict(column))["sentence_embedding"]
    assert torch.equal(embed_ragged(model, column, 2), whole)
