"""What the finished folders of sweeps hold, and how they are read.

    chunk_sizes/chunk_sizes.json, chunk_sizes.html             search by size of the chunks
    learning_curve/learning_curve.json, learning_curve.html    search by number of examples
    scores/scores.parquet                                      what each query reaches with one trained model

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
class SweepFolder:
    """The folder of a sweep: figures as JSON, and a page, both under the name of what is in it."""

    path: Path
    noun: str
    """`chunk_sizes` or `learning_curve`."""

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
