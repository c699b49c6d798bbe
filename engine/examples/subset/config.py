"""The settings of a subset of examples. In: values of a learning curve. Out: a SubsetConfig."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SubsetConfig:
    """Which examples are taken."""

    share: float
    """Share of the training documents, above 0 and below 1."""
    seed: int
    """Seed of the draw."""
