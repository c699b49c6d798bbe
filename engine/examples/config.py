"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import II

from engine.errors import UserError
from engine.examples.duplicates.exact import DedupConfig
from engine.examples.filters.contract import FiltersConfig
from engine.examples.round_trip import RoundTripConfig
from engine.search.encoder import EncoderConfig


@dataclass(frozen=True)
class ExamplesConfig:
    """How samples are curated."""

    filters: FiltersConfig = field(default_factory=FiltersConfig)
    dedup: DedupConfig = field(default_factory=DedupConfig)
    round_trip: RoundTripConfig = field(default_factory=RoundTripConfig)
    validation_share: float = 0.1
    """Share of documents whose examples are held out from training."""
    max_per_passage: int | None = None
    """Keep at most this many per passage: those of lowest `sample_id`."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Measures the round trip."""
    seed: int = II("seed")
    """Draws the validation documents."""

    def __post_init__(self) -> None:
        """Refuses shares and counts that leave nothing to train on."""
        if not 0 <= self.validation_share < 1:
            what = f"{self.validation_share} leaves nothing to train on, or is no share"
            raise UserError(what, where="examples.validation_share", remedy="set it to at least 0 and below 1")
        if self.max_per_passage is not None and self.max_per_passage < 1:
            what = f"{self.max_per_passage} keeps nothing"
            raise UserError(what, where="examples.max_per_passage", remedy="set it to 1 or more, or null for no limit")
