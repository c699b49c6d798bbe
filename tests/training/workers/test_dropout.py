"""The cheap dropout is dropout: rate, scale, gradient, seeds, and nothing while evaluating."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training.workers.dropout import ByteDropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rate_and_mean_are_kept(dtype: torch.dtype) -> None:
    x = torch.ones(1_000_003, dtype=dtype)
    with ByteDropout():
        dropped = functional.dropout(x, 0.1, training=True)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=0.003)
    assert dropped.float().mean().item() == pytest.approx(1.0, abs=0.004)


def test_the_gradient_passes_where_the_value_did() -> None:
    x = torch.randn(50, 7, requires_grad=True)
    with ByteDropout():
        dropped = torch.nn.Dropout(0.5)(x)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, dropped.detach() / x.detach())


def test_the_seed_decides() -> None:
    masks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        with ByteDropout():
            masks.append(functional.dropout(torch.ones(1000), 0.3))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_evaluation_changes_nothing() -> None:
    x = torch.randn(100)
    with ByteDropout():
        assert torch.equal(torch.nn.Dropout(0.5).eval()(x), x)
        assert torch.equal(functional.dropout(x, 0.0), x)


def test_a_forward_pass_in_a_hook_draws_the_same() -> None:
    """So GradCache computes again what the first pass computed."""
    x = torch.ones(1000, requires_grad=True)
    layer = torch.nn.Dropout(0.3)
    again: list[torch.Tensor] = []

    def compute_again(_: torch.Tensor) -> None:
        torch.manual_seed(0)
        again.append(layer(x))

    with ByteDropout():
        torch.manual_seed(0)
        first = layer(x)
        loss = first.sum()
        loss.register_hook(compute_again)
        loss.backward(torch.tensor(2.0))
        torch.manual_seed(0)
        assert torch.equal(layer(x), first), "the mode is left as it was"
    assert torch.equal(again[0], first)
    assert x.grad is not None
    assert torch.allclose(x.grad, 2 * first.detach())
