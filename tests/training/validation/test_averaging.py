"""Weights between the base and the tuned model: for good, or for the length of a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.training import load, make_config
from training.validation.averaging import Average, put, share_of_base, trained_weights


def tuned(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Moves all weights of a model, and returns them."""
    with torch.no_grad():
        for values in model.parameters():
            values.add_(torch.randn_like(values))
    return trained_weights(model)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_share_is_that_of_the_base(base: Path, share: float) -> None:
    model = load(make_config(base))
    before = trained_weights(model)
    average, after = Average(model, share), tuned(model)
    with average.taken():
        between = trained_weights(model)
    for name, values in model.named_parameters():
        assert torch.equal(values, after[name]), "it was for the length of the block"
        assert torch.allclose(between[name], (1 - share) * after[name] + share * before[name], atol=1e-6)
    average.take()
    assert all(torch.equal(values, between[name]) for name, values in model.named_parameters())


def test_a_block_that_fails_leaves_the_weights_as_they_were() -> None:
    model = torch.nn.Linear(2, 2)
    average, after = Average(model, 0.5), tuned(model)
    with pytest.raises(ValueError, match="no memory"), average.taken():
        raise ValueError("no memory")
    assert all(torch.equal(values, after[name]) for name, values in model.named_parameters())


def test_neither_statistics_nor_frozen_weights_are_averaged() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    model[0].weight.requires_grad_(False)
    average = Average(model, 0.5)
    before = model[0].weight.clone()
    model(torch.randn(8, 2))
    statistics = model[1].running_mean.clone()
    average.take()
    assert torch.equal(model[0].weight, before)
    assert torch.equal(model[1].running_mean, statistics)


@pytest.mark.parametrize(
    ("layer", "part", "x"),
    [
        (torch.nn.Linear(6, 6), "lora", torch.linspace(-1, 1, 30).view(5, 6)),
        (torch.nn.Embedding(7, 6), "lora_embedding", torch.tensor([0, 3, 6])),
    ],
)
def test_low_rank_matrices_go_back_with_their_product(layer: torch.nn.Module, part: str, x: torch.Tensor) -> None:
    """Beside embeddings it is the other one of the two that is zero at first."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = get_peft_model(torch.nn.Sequential(layer), LoraConfig(r=2, target_modules=["0"]))
    average = Average(model, 0.5)
    for name in ("A", "B"):
        tuned(getattr(model.base_model.model[0], f"{part}_{name}"))
    with torch.no_grad():
        after = model(x)
        with model.disable_adapter():
            before = model(x)
        average.take()
        assert torch.allclose(model(x), (before + after) / 2, atol=1e-5)


def test_weights_are_put_back_by_name() -> None:
    model = torch.nn.Linear(2, 2)
    weights = trained_weights(model)
    tuned(model)
    put(model, {"weight": weights["weight"]})
    assert torch.equal(model.weight, weights["weight"])
    assert not torch.equal(model.bias, weights["bias"])


def test_half_of_the_base_is_kept_where_the_base_was_made_for_search(base: Path) -> None:
    assert share_of_base(make_config(base), base) == 0.5
    plain = base.parent / "plain"
    assert share_of_base(make_config(plain), plain) == 0.0, "a language model makes no vectors for search"
    assert share_of_base(make_config(base, base_share=0.0), base) == 0.0
    assert share_of_base(make_config(plain, base_share=0.3), plain) == 0.3
