"""The settings by which given examples take another form. In: values of a run. Out: a frozen RecastConfig."""

from __future__ import annotations

from dataclasses import dataclass

from engine.artifacts.forms import Form


@dataclass(frozen=True)
class RecastConfig:
    """What becomes of a finished set of examples."""

    form: Form | None = None
    """`texts`: each passage of pairs once; `triplets`: pairs with negatives; null: the form stays."""
    negatives: int = 0
    """The number of triplets that each pair becomes."""
    hard: bool = False
    """Whether negatives are what BM25 finds for the query, in place of passages that are drawn."""
    language: str = ""
    """The language by which BM25 reads words, for hard negatives only."""
    limit: int = 0
    """The most passages whose rows stay, drawn by a hash of their text; 0: all."""
    seed: int = 0
    """The seed of all draws."""
