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
