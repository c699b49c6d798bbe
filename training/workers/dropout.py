"""Dropout that a CPU can afford: eight mask entries from one random number.

In: calls of torch's dropout on CPU tensors, inside a `with ByteDropout()`. Out: the same, several times as fast. torch
draws one number per element and does so on one core; in a training step of MiniLM in bf16 that takes longer than half
of the matrix products. Here 64 random bits give eight bytes, each compared with a threshold, so the rate is the given
one rounded to a 256th. Everything else about dropout stays: where it acts, the scaling, the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import dropout as torch_dropout
from torch.overrides import TorchFunctionMode


class ByteDropout(TorchFunctionMode):
    """While it is entered, `torch.nn.functional.dropout`, and with it `nn.Dropout`, draws bytes on a CPU."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replaces calls of dropout on CPU tensors and passes on every other function.

        torch leaves the mode for a backward pass. Hooks on tensors enter it again: that of GradCache computes forward
        passes, which have to drop what the first ones dropped.
        """
        if func is torch_dropout:
            return _dropout(*args, **(kwargs or {}))
        if func is torch.Tensor.register_hook:
            return func(*(self._entered_by(arg) if callable(arg) else arg for arg in args), **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _entered_by(self, hook: Callable[[torch.Tensor], Any]) -> Callable[[torch.Tensor], Any]:
        def entering(gradient: torch.Tensor) -> Any:
            with self:
                return hook(gradient)

        return entering


def _dropout(x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    threshold = round(p * 256)
    if x.device.type != "cpu" or inplace or not 0 < threshold < 256:
        return torch_dropout(x, p, training, inplace)
    if not training:
        return x
    dropped: torch.Tensor = _Dropped.apply(x, threshold)  # type: ignore[no-untyped-call]
    return dropped


class _Dropped(torch.autograd.Function):
    """Keeps one byte per element for the backward pass, and scales in fp32 whatever the type of `x`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, threshold: int) -> torch.Tensor:
        """Zeroes each element with the probability `threshold` / 256 and scales the others up."""
        keep = (_random_bytes(x.numel()) >= threshold).view(x.shape)
        ctx.save_for_backward(keep)
        ctx.scale = 256 / (256 - threshold)
        return (x * keep).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Passes the gradient on where the element was kept, scaled likewise."""
        (keep,) = ctx.saved_tensors
        return (gradients[0] * keep).mul_(ctx.scale), None


def _random_bytes(count: int) -> torch.Tensor:
    """uint8 (count,), uniform, from torch's default generator, so that `torch.manual_seed` governs them."""
    words = torch.empty((count + 7) // 8, dtype=torch.int64)
    words.random_(-(2**63), None)
    return words.view(torch.uint8)[:count]
