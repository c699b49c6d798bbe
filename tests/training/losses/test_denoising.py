"""The denoising auto-encoder: encoder and decoder share weights, and a checkpoint has the decoder's own ones too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from tests.support.losses import BATCHES, OTHERS, PASSAGES, loss_and_gradients, training_model
from tests.support.training import make_config, make_job
from training.losses.build import build_loss
from training.losses.denoising import DenoisingLoss, denoising_loss
from training.losses.own_weights import load_own_weights, save_own_weights
from training.losses.settings import Loss
from training.workers.trainer import StreamTrainer, make_arguments


def test_encoder_and_decoder_have_one_set_of_weights(still: Path) -> None:
    config = make_config(still)
    model = training_model(config)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    loss = denoising_loss(config, model, world_size=1, on_cpu=True)
    assert isinstance(loss, DenoisingLoss)
    assert all(torch.equal(weights, before[name]) for name, weights in model.named_parameters()), (
        "it starts as the base"
    )
    own = loss.own_weights()
    assert {name.split(".")[0] for name in own} == {"bert", "cls"}
    assert all("crossattention" in name for name in own if name.startswith("bert."))
    shared = {id(weights) for weights in model.parameters()} & {id(weights) for weights in loss.decoder.parameters()}
    assert len(shared) > len(own)
    loss_and_gradients(model, loss, *BATCHES[Loss.denoising])
    assert all(weights.grad is not None for weights in own.values())


def test_the_decoder_is_drawn_by_the_seed(still: Path) -> None:
    draws = []
    for seed in (1, 1, 2):
        torch.rand(seed)  # what was drawn before makes no difference
        config = make_config(still, seed=seed)
        loss = denoising_loss(config, training_model(config), world_size=1, on_cpu=True)
        draws.append(torch.cat([weights.detach().flatten() for weights in loss.own_weights().values()]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_own_weights_are_written_and_read_back(still: Path, tmp_path: Path) -> None:
    config = make_config(still)
    loss, other = (
        denoising_loss(make_config(still, seed=seed), training_model(config), world_size=1, on_cpu=True)
        for seed in (1, 2)
    )
    save_own_weights(loss, tmp_path)
    load_own_weights(other, tmp_path)
    pairs = zip(loss.own_weights().values(), other.own_weights().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_a_loss_without_weights_leaves_no_file(tmp_path: Path) -> None:
    save_own_weights(torch.nn.Identity(), tmp_path)
    load_own_weights(torch.nn.Identity(), tmp_path)
    assert not list(tmp_path.iterdir())


def batches(first: int) -> Iterator[pa.Table]:
    for step in range(first, 6):
        yield pa.table({"damaged": OTHERS[step:] + OTHERS[:step], "text": PASSAGES[step:] + PASSAGES[:step]})


def trained(base: Path, folder: Path, first: int) -> dict[str, torch.Tensor]:
    """Trains from a step on, the whole of a training or the rest, and returns all weights."""
    config = make_config(base, checkpoint_steps=3, loss=Loss.denoising)
    model, job = training_model(config), make_job(config, total_steps=6)
    arguments: Any = make_arguments(job, folder, share=6, bf16=False, on_cpu=True)
    arguments.save_total_limit = None
    loss = build_loss(Loss.denoising, config, model, world_size=1, on_cpu=True)
    trainer = StreamTrainer(batches=lambda: batches(first), model=model, args=arguments, loss=loss)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-3") if first else None)
    assert trainer.state.global_step == 6
    own: dict[str, torch.nn.Parameter] = loss.own_weights()
    return {**dict(model.named_parameters()), **own}


def test_a_training_that_goes_on_learns_what_one_learns_that_was_not_interrupted(still: Path, tmp_path: Path) -> None:
    expected = trained(still, tmp_path, 0)
    kept = load_file(tmp_path / "checkpoint-3" / "loss.safetensors")
    name = next(iter(kept))
    assert not torch.equal(kept[name], expected[name]), "the rest of the training changed it"
    weights = trained(still, tmp_path, 3)
    for name, value in expected.items():
        assert torch.allclose(value, weights[name], atol=1e-6), name


@pytest.mark.parametrize("kind", [Loss.denoising])
def test_it_learns(still: Path, kind: Loss) -> None:
    config, (columns, labels) = make_config(still), BATCHES[kind]
    model = training_model(config)
    loss = build_loss(kind, config, model, world_size=1, on_cpu=True)
    optimizer = torch.optim.AdamW(loss.parameters(), lr=3e-3)
    first, _ = loss_and_gradients(model, loss, columns, labels)
    for _ in range(20):
        loss_and_gradients(model, loss, columns, labels)
        optimizer.step()
    last, _ = loss_and_gradients(model, loss, columns, labels)
    assert last < 0.8 * first
