"""What training recorded of its validations.

In: the figures of rank 0. Out: records that stand in the record of a model, and in checkpoints, so that a training that
goes on knows its curve.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Validated:
    """nDCG@10 after some step, among the passages of the validation."""

    step: int
    ndcg: float
    difference: float
    """To that of step 0."""
    low: float
    """The lower bound of the difference's 99 % interval, which is by document, or by query where it is a judged one."""
    high: float
    """The upper bound."""


@dataclass(frozen=True)
class ValidationRecord:
    """All validations of a training."""

    queries: int
    judged: int
    """How many of the queries are judged development queries."""
    passages: int
    """The passages that were ranked, so that figures are higher than those of a search among all."""
    curve: list[Validated]
    """One entry for each validation, from step 0 on."""
    kept_step: int
    """The step whose weights became the model."""
    stopped_by: str
    """Why training stopped early: `harm` or `patience`; empty where it went to the end."""
