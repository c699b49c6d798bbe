"""What can be set for the examples step: thresholds of its filters, and how examples are split."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import II

from engine.artifacts.judged import Criterion
from engine.errors import check_setting
from engine.examples.duplicates.config import DedupConfig
from engine.examples.round_trip import RoundTripConfig
from engine.filters.chain import FiltersConfig
from engine.runtime.identity import fields_of
from engine.search.encoder import EncoderConfig


@dataclass(frozen=True)
class ExamplesConfig:
    """The settings of curation."""

    filters: FiltersConfig = field(default_factory=FiltersConfig)
    """The filters that judge one sample at a time."""
    dedup: DedupConfig = field(default_factory=DedupConfig)
    """The settings that tell which queries count as the same."""
    round_trip: RoundTripConfig = field(default_factory=RoundTripConfig)
    """Whether a query must lead back to the document that it was written from."""
    validation_share: float = 0.1
    """The share of documents whose examples are held out from training; those with equal passages stay together."""
    max_per_passage: int | None = None
    """At most so many examples of a passage are kept, those of the lowest `sample_id`."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder that measures the round trip."""
    seed: int = II("seed")
    """The seed that the validation documents are drawn with."""
    judged: tuple[Criterion, ...] = field(default=(), metadata={"omegaconf_ignore": True})
    """What the judges of the run were asked, in order: no setting, since it follows from `filters` and `judge`."""

    def __post_init__(self) -> None:
        """Refuses shares and counts that leave nothing to train on."""
        share, most = self.validation_share, self.max_per_passage
        no_share = "leaves nothing to train on, or is no share"
        check_setting(0 <= share < 1, "examples.validation_share", share, "at least 0 and below 1", fault=no_share)
        keeps_some, limits = most is None or most >= 1, "1 or more, or null for no limit"
        check_setting(keeps_some, "examples.max_per_passage", most, limits, fault="keeps nothing")

    def identity(self) -> dict[str, object]:
        """Returns the fields, without the encoder where nothing is measured with it; likewise without judges."""
        measures = {"encoder": self.round_trip.enabled, "judged": bool(self.judged)}
        return fields_of(self, without=[name for name, is_used in measures.items() if not is_used])


def filters_of_one_row() -> ExamplesConfig:
    """Returns the settings for demonstrations that a model writes: the filters of one row, and exact duplicates.

    Demonstrations may resemble each other, and one need not lead back to its document to show how queries look. All
    settings are the defaults: another threshold for examples must not have the demonstrations written again.
    """
    return ExamplesConfig(
        dedup=DedupConfig(near=False), round_trip=RoundTripConfig(enabled=False), validation_share=0.0, seed=0
    )
