"""What can be set for examples: thresholds of the filters, how examples are split, and the files that one has."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import II

from engine.artifacts.forms import Form
from engine.artifacts.judged import Criterion
from engine.errors import check_setting
from engine.examples.duplicates.config import DedupConfig
from engine.examples.round_trip import RoundTripConfig
from engine.filters.chain import FiltersConfig
from engine.runtime.identity import fields_of, placement
from engine.search.encoder import EncoderConfig, encoder_of_base

_OF_GIVEN = ("path", "form", "columns", "lowest_score", "highest_score", "weight")
"""The fields that are about given examples."""


@dataclass(frozen=True)
class ColumnsConfig:
    """What the columns of given examples are called.

    An empty name is found among usual ones, and `none` says that there is no such column.
    """

    query: str = ""
    """A question, or the first of two texts."""
    passage: str = ""
    """What answers the query, or the second of two texts."""
    negative: str = ""
    """A passage that does not answer the query."""
    score: str = ""
    """How much two texts mean the same."""
    text: str = ""
    """The only text of a row."""
    labels: str = ""
    """The label of a text, or a list of labels."""
    weight: str = ""
    """How much a labelled text counts in training, a number from 0 on; an empty one counts as 1. `none`: all count the
    same, also where a column is called `weight`."""
    document: str = ""
    """The id of the document that a row is from: all rows of a document are on one side of the split."""
    split: str = ""
    """The side that a row is on: `train`, or `validation`, `dev` or `test`, which are not trained on."""

    def by_role(self) -> dict[str, str]:
        """Returns the names that are set."""
        return {role: name for role, name in vars(self).items() if name}


@dataclass(frozen=True)
class ExamplesConfig:
    """The settings of curation, and of examples that a user has."""

    path: str = ""
    """A file of examples that the model is trained on, or a folder of such files; beside documents they are mixed
    with generated ones, without documents they are all there is. JSONL, CSV, Parquet, JSON (SQuAD, KLUE) or a folder
    that Hugging Face datasets saved."""
    form: Form | None = None
    """What a row of `path` is; null: found by its columns."""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    """What the columns of `path` are called."""
    lowest_score: float | None = None
    """The score of `path` that means nothing in common; null: 0, or the least one where that is below 0."""
    highest_score: float | None = None
    """The score of `path` that means the same; null: the highest grade of the next usual scale, such as 1 or 5."""
    weight: float | None = None
    """The share of the rows that are trained on which are those of `path`; the side that has too few comes several
    times. Null: every row comes once."""
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
    encoder: EncoderConfig = field(default_factory=encoder_of_base)
    """The encoder that measures the round trip."""
    follow: bool = placement(False)
    """Whether curation begins while samples are generated, on CPUs that nobody else wants: row filters, what duplicates
    are told by, and the search of the round trip. The result is the same. It is for machines whose engines compute on
    GPUs; on others it takes from generation what curation gains."""
    seed: int = II("seed")
    """The seed that the validation documents are drawn with."""
    judged: tuple[Criterion, ...] = field(default=(), metadata={"omegaconf_ignore": True})
    """What the judges of the run were asked, in order: no setting, since it follows from `filters` and `judge`."""

    def __post_init__(self) -> None:
        """Refuses shares and counts that leave nothing to train on."""
        share, most = self.validation_share, self.max_per_passage
        no_share = "leaves nothing to train on, or is no share"
        check_setting(0 <= share < 1, "examples.validation_share", share, "at least 0 and below 1", fault=no_share)
        weight, is_share = self.weight, "more than 0 and less than 1, or null for every row once"
        check_setting(weight is None or 0 < weight < 1, "examples.weight", weight, is_share, fault="is no share")
        keeps_some, limits = most is None or most >= 1, "1 or more, or null for no limit"
        check_setting(keeps_some, "examples.max_per_passage", most, limits, fault="keeps nothing")

    def identity(self) -> dict[str, object]:
        """Returns the fields, without the encoder where nothing is measured with it; likewise without judges.

        What is said of given examples is the identity of other steps.
        """
        measures = {"encoder": self.round_trip.enabled, "judged": bool(self.judged)}
        unused = [name for name, is_used in measures.items() if not is_used]
        return fields_of(self, without=[*unused, *_OF_GIVEN])


def filters_of_one_row() -> ExamplesConfig:
    """Returns the settings for demonstrations that a model writes: the filters of one row, and exact duplicates.

    Demonstrations may resemble each other, and one need not lead back to its document to show how queries look. All
    settings are the defaults: another threshold for examples must not have the demonstrations written again.
    """
    return ExamplesConfig(
        dedup=DedupConfig(near=False), round_trip=RoundTripConfig(enabled=False), validation_share=0.0, seed=0
    )
