"""The settings by which given examples and generated ones are put together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MixConfig:
    """How much given examples count beside generated ones."""

    weight: float | None = None
    """The share of the rows that are trained on which are given ones; None: each of both comes once."""
    seed: int = 0
    """The seed that rows are drawn with, where some come once more than others."""
