"""Passes of rows of like length give the same vectors with less padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.support.losses import PASSAGES, QUERIES, training_model
from tests.support.training import make_config
from training.losses.build import build_loss
from training.losses.ragged import RaggedLoss, embed_ragged, pairwise_similarity
from training.losses.settings import Loss


@pytest.fixture
def model(still: Path) -> SentenceTransformer:
    return training_model(make_config(still))


def features(model: SentenceTransformer) -> list[dict[str, Any]]:
    return [dict(model.preprocess(texts)) for texts in (QUERIES, PASSAGES)]


def test_passes_are_made_on_a_cpu_only(model: SentenceTransformer, still: Path) -> None:
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0]["input_ids"].shape)))
    for on_cpu in (True, False):
        shapes.clear()
        loss = build_loss(Loss.mnrl, make_config(still, tokens_per_pass=24), model, world_size=1, on_cpu=on_cpu)
        assert isinstance(loss, RaggedLoss)
        loss(features(model), None)
        assert sum(rows for rows, _ in shapes) == len(QUERIES) + len(PASSAGES)
        assert (len(shapes) > 2) is on_cpu


@pytest.mark.parametrize("most", [1, 12, 24, 36])
def test_a_pass_has_as_many_rows_as_its_tokens_allow(model: SentenceTransformer, most: int) -> None:
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0]["input_ids"].shape)))
    column = features(model)[1]
    lengths = sorted(column["attention_mask"].sum(1).tolist(), reverse=True)
    embed_ragged(model, column, most)
    assert all(rows == 1 or rows * width <= most for rows, width in shapes)
    first = 0
    for rows, width in shapes:
        assert width == lengths[first], "short passages are not padded to long ones"
        first += rows
        assert first == len(lengths) or (rows + 1) * width > most, "one more row would have fitted"
    assert first == len(lengths)


@pytest.mark.parametrize("tokens_per_pass", [0, 1, 20, 50, 1000])
def test_rows_keep_their_order(model: SentenceTransformer, tokens_per_pass: int) -> None:
    column = features(model)[1]
    whole = model(dict(column))["sentence_embedding"]
    assert torch.allclose(embed_ragged(model, column, tokens_per_pass), whole, atol=1e-5)


def test_texts_that_are_padded_on_the_left_are_not_cut(model: SentenceTransformer) -> None:
    column = {name: value.flip(1) for name, value in features(model)[1].items() if isinstance(value, torch.Tensor)}
    whole = model(dict(column))["sentence_embedding"]
    assert torch.equal(embed_ragged(model, column, 2), whole)


def test_rows_are_compared_as_the_model_is_used(model: SentenceTransformer) -> None:
    one, other = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0]])
    for similarity, expected in (("cosine", 1.0), ("dot", 25.0)):
        model.similarity_fn_name = similarity
        assert pairwise_similarity(model)(one, other).item() == pytest.approx(expected)
