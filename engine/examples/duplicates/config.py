"""What counts as the same query, as a config: read by both searches for duplicates."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import UserError


@dataclass(frozen=True)
class DedupConfig:
    """What counts as the same query."""

    exact: bool = True
    """Whether queries that differ in case, spaces and sentence punctuation only count as the same."""
    near: bool = True
    """Whether queries whose shingles overlap by `threshold` count as the same."""
    threshold: float = 0.8
    """Jaccard similarity from which two queries are near duplicates, as in Gopher's document deduplication (Rae et
    al. 2021)."""
    shingle_characters: int = 4
    """Length of a shingle in code points."""
    bands: int = 20
    """Number of bands that MinHash signatures are cut into; more bands find more pairs."""
    rows_per_band: int = 6
    """A pair of similarity s is found with probability 1 - (1 - s**rows_per_band)**bands: 0.998 at 0.8."""

    def __post_init__(self) -> None:
        """Refuses a threshold that is no similarity, and empty signatures."""
        if not 0 < self.threshold <= 1:
            what = f"{self.threshold} is no Jaccard similarity"
            raise UserError(what, where="examples.dedup.threshold", remedy="set it above 0 and at most 1")
        for name in ("shingle_characters", "bands", "rows_per_band"):
            if getattr(self, name) < 1:
                where = f"examples.dedup.{name}"
                raise UserError(f"{getattr(self, name)} is too few", where=where, remedy="set it to at least 1")
