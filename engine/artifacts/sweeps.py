"""What the finished folders of sweeps hold, and how they are read.

    chunk_sizes/chunk_sizes.json, chunk_sizes.html             search by size of the chunks
    learning_curve/learning_curve.json, learning_curve.html    search by number of examples
    stages/stages.json, stages.html                            several models, one after the other or side by side
    scores/scores.parquet                                      what each query reaches with one trained model
    scores/questions.parquet, pairs.parquet                    the same, and graded pairs, of one model of several

In: the folders. Out: their records, and where their files lie. The figures are typed in `eval`, which measures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.storage.store import read_record
from engine.storage.typed import from_json_values


@dataclass(frozen=True)
class ChunkSizesRecord:
    """What the comparison of chunk sizes measured."""

    sizes: int
    """Number of sizes, each with each overlap."""
    judged: int
    """Number of judged questions that were measured on."""
    synthetic: int
    """Number of synthetic queries that were measured on."""
    flat: Mapping[str, str]
    """The smallest size that is not worse than the best, such as `256-32`, by `SET, SYSTEM`."""


@dataclass(frozen=True)
class ScoresRecord:
    """What the measurement of one model did."""

    judged: int
    """Number of judged questions that were measured on."""
    held_out: int
    """Number of synthetic queries of held-out documents that were measured on."""
    training_seconds: float
    """Time that the training of the model took; 0 for the base."""


@dataclass(frozen=True)
class LearningCurveRecord:
    """What a learning curve measured."""

    points: int
    """Number of sizes of the training set, the base model without training not counted."""
    seeds: int
    """Number of trainings of each size."""
    examples: int
    """Number of examples of the largest."""
    enough: Mapping[str, int]
    """The number of examples from which on no larger number is significantly better, by `SET, SYSTEM`."""


@dataclass(frozen=True)
class StageTraining:
    """How one model of several was trained."""

    family: str
    loss: str
    examples: int
    """Number of rows that it learnt from."""
    batch_size: int
    seconds: float
    """Time of this training, without those that it goes on from."""


@dataclass(frozen=True)
class StageScoresRecord:
    """What the measurement of one model of several did."""

    questions: int
    """Number of rows of questions.parquet."""
    pairs: int
    """Number of rows of pairs.parquet."""
    passages: Mapping[str, int]
    """Number of passages that were searched, by set of questions."""
    seconds_per_1000: Mapping[str, Mapping[str, float]]
    """Time that a thousand held-out queries take, all at once and encoding included, by set and system."""
    training: StageTraining | None
    """None for the base."""


@dataclass(frozen=True)
class StagesRecord:
    """What a comparison of several models measured."""

    models: int
    """Number of trained models."""
    held_out: Mapping[str, float]
    """What each reaches on held-out examples, by `STAGE, SET, metric`."""


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep: figures as JSON, and a page, both under the name of what is in it."""

    path: Path
    noun: str
    """`chunk_sizes`, `learning_curve` or `stages`."""

    @property
    def figures_file(self) -> Path:
        """All figures as JSON."""
        return self.path / f"{self.noun}.json"

    @property
    def page_file(self) -> Path:
        """The page for people."""
        return self.path / f"{self.noun}.html"


@dataclass(frozen=True)
class ScoresFolder:
    """What each query reaches with one trained model."""

    path: Path

    def record(self) -> ScoresRecord:
        """What the step recorded."""
        return from_json_values(ScoresRecord, read_record(self.path).record)

    @property
    def scores_file(self) -> Path:
        """A row per query and system: columns `set`, `query_id`, `cluster`, `system`, and the metrics."""
        return self.path / "scores.parquet"


@dataclass(frozen=True)
class StageScoresFolder:
    """What each query and each graded pair reaches with one model of several."""

    path: Path

    def record(self) -> StageScoresRecord:
        """What the step recorded."""
        return from_json_values(StageScoresRecord, read_record(self.path).record)

    @property
    def questions_file(self) -> Path:
        """A row per query and system: columns `set`, `split`, `system`, `query_id`, `cluster`, and the metrics."""
        return self.path / "questions.parquet"

    @property
    def pairs_file(self) -> Path:
        """A row per graded pair: columns `set`, `split`, `sample_id`, `cluster`, `grade` and `score`."""
        return self.path / "pairs.parquet"
