"""Losses in pieces: how much is computed at once, and that the second pass is the first one again.

That values and gradients are those of whole batches stands in test_build.py and test_scored.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.support.losses import BATCHES, training_model
from tests.support.training import make_config
from training.losses.build import build_loss
from training.losses.pieces import LossInPieces
from training.losses.settings import Loss
from training.workers.dropout import ByteDropout

COLUMNS, LABELS = BATCHES[Loss.kl]


def features(model: SentenceTransformer) -> list[dict[str, Any]]:
    return [dict(model.preprocess(list(texts))) for texts in COLUMNS]


def in_pieces(base: Path, model: SentenceTransformer, rows: int) -> torch.nn.Module:
    config = make_config(base, mini_batch_size=rows)
    loss = build_loss(Loss.kl, config, model, world_size=1, on_cpu=True, in_pieces=True)
    assert isinstance(loss, LossInPieces)
    return loss


@pytest.mark.parametrize(("rows", "pieces"), [(4, 2), (6, 1), (100, 1)])
def test_few_rows_are_computed_at_once_and_those_of_like_length_together(base: Path, rows: int, pieces: int) -> None:
    model = training_model(make_config(base))
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0]["input_ids"].shape)))
    loss = in_pieces(base, model, rows)(features(model), torch.tensor(LABELS))
    assert len(shapes) == pieces * len(COLUMNS)
    assert max(count for count, _ in shapes) <= rows
    loss.backward()
    assert shapes[: len(shapes) // 2] == shapes[len(shapes) // 2 :], "each piece twice"
    if pieces > 1:
        assert shapes[2][1] > shapes[3][1], "passages of different lengths are not padded to one width"


@pytest.mark.parametrize("mode", [ByteDropout, contextlib.nullcontext])
def test_the_second_pass_drops_what_the_first_one_dropped(
    base: Path, mode: Callable[[], contextlib.AbstractContextManager[Any]]
) -> None:
    model = training_model(make_config(base))
    assert any(isinstance(module, torch.nn.Dropout) and module.p for module in model.modules())
    made: list[torch.Tensor] = []
    model.register_forward_hook(lambda *call: made.append(call[2]["sentence_embedding"].detach().clone()))
    with mode():  # workers train in the first
        loss = in_pieces(base, model, 4)(features(model), torch.tensor(LABELS))
        loss.backward()
    first, second = made[: len(made) // 2], made[len(made) // 2 :]
    assert all(torch.allclose(one, other) for one, other in zip(first, second, strict=True))
    again = in_pieces(base, model, 4)(features(model), torch.tensor(LABELS))
    assert again.item() != loss.item(), "dropout is drawn anew for each batch"


def test_texts_that_are_padded_on_the_left_are_not_cut(still: Path) -> None:
    model = training_model(make_config(still))
    flipped = [
        {name: value.flip(1) for name, value in column.items() if isinstance(value, torch.Tensor)}
        for column in features(model)
    ]
    whole = build_loss(Loss.kl, make_config(still), model, world_size=1, on_cpu=False)
    expected = whole([dict(column) for column in flipped], torch.tensor(LABELS))
    assert in_pieces(still, model, 4)(flipped, torch.tensor(LABELS)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_without_gradients_there_is_one_pass(base: Path) -> None:
    model = training_model(make_config(base)).eval()
    calls: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0]["input_ids"])))
    with torch.no_grad():
        in_pieces(base, model, 6)(features(model), torch.tensor(LABELS))
    assert len(calls) == len(COLUMNS)
