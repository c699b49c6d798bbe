"""What counts as the same query, as a config: read by both searches for duplicates."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import check_setting


@dataclass(frozen=True)
class DedupConfig:
    """The settings that tell which queries count as the same."""

    exact: bool = True
    """Whether queries that differ in case, spaces and sentence punctuation only count as the same."""
    near: bool = True
    """Whether queries whose shingles overlap by `threshold` count as the same."""
    threshold: float = 0.8
    """The Jaccard similarity from which two queries are near duplicates, as in Gopher's document deduplication (Rae et
    al. 2021)."""
    shingle_characters: int = 4
    """The length of a shingle in code points."""
    bands: int = 20
    """The number of bands that MinHash signatures are cut into; more bands find more pairs."""
    rows_per_band: int = 6
    """A pair of similarity s is found with probability 1 - (1 - s**rows_per_band)**bands: 0.998 at 0.8."""

    def __post_init__(self) -> None:
        """Refuses a threshold that is no similarity, and empty signatures."""
        is_similarity, allowed = 0 < self.threshold <= 1, "more than 0, and at most 1"
        fault = "is no Jaccard similarity"
        check_setting(is_similarity, "examples.dedup.threshold", self.threshold, allowed, fault=fault)
        for name in ("shingle_characters", "bands", "rows_per_band"):
            value = getattr(self, name)
            check_setting(value >= 1, f"examples.dedup.{name}", value, "at least 1", fault="is too few")
