"""What a finished teacher folder holds, and how it is read.

    teacher.parquet    a row per training example, in the order in which training reads them:
                       sample_id, candidates (rows of passages.parquet), scores

In: the folder. Out: its arrays. The first candidate of a query is the passage that
it was written from. Texts are not in here: whoever trains joins them from the documents folder that the step read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from engine.storage.store import read_record
from engine.storage.typed import from_json_values
from engine.text.hashes import Integers

Numbers = npt.NDArray[np.int32]
"""Rows of passages.parquet."""
Scores = npt.NDArray[np.float32]
"""What a teacher thinks of passages; more is better."""


@dataclass(frozen=True)
class TeacherRecord:
    """What a teacher said of the candidates of each query."""

    queries: int
    candidates: int
    """Passages of each query, its own among them."""
    drawn: int
    """Candidates that were drawn at random, because search found too few."""
    unscored: int
    """Queries of which a passage could not be scored; nothing below counts them, and nothing is trained on them."""
    own_first: float
    """Share of the queries whose own passage scores highest."""
    own_rank: float
    """Mean rank of a query's own passage among its candidates, from 1 on."""
    spread: float
    """Mean standard deviation of the scores of a query's candidates."""

    def in_words(self) -> str:
        """Puts the figures into a line for people."""
        return (
            f"the own passage is first of {self.candidates} for {self.own_first:.0%} of {self.queries:,} queries, "
            f"rank {self.own_rank:.2f} on average; scores spread by {self.spread:.3g}"
        )


@dataclass(frozen=True, eq=False)
class Scored:
    """The candidates of n queries, k each, and their scores."""

    ids: Integers
    """The `sample_id` of each, (n,)."""
    candidates: Numbers
    """(n, k)."""
    scores: Scores
    """(n, k); NaN where a passage could not be scored."""


@dataclass(frozen=True)
class TeacherFolder:
    """A teacher folder."""

    path: Path

    def record(self) -> TeacherRecord:
        """Reads what the step recorded."""
        return from_json_values(TeacherRecord, read_record(self.path).record)

    @contextmanager
    def writing(self, width: int) -> Iterator[pq.ParquetWriter]:
        """Opens the file for `write_scored`.

        Args:
            width: the candidates of each query.
        """
        numbers, scores = pa.list_(pa.int32(), width), pa.list_(pa.float32(), width)
        schema = pa.schema([("sample_id", pa.int64()), ("candidates", numbers), ("scores", scores)])
        with pq.ParquetWriter(self._file, schema, compression="zstd") as writer:
            yield writer

    def read(self) -> Scored:
        """Reads everything: eight bytes a candidate."""
        return _scored(pq.read_table(self._file))

    @property
    def _file(self) -> Path:
        return self.path / "teacher.parquet"


def write_scored(writer: pq.ParquetWriter, scored: Scored) -> None:
    """Writes some rows more."""
    candidates = pa.array(scored.candidates.astype(np.int32).ravel())
    columns = {
        "sample_id": pa.array(scored.ids.astype(np.int64)),
        "candidates": pa.FixedSizeListArray.from_arrays(candidates, scored.candidates.shape[1]),
        "scores": pa.FixedSizeListArray.from_arrays(
            pa.array(scored.scores.astype(np.float32).ravel()), scored.scores.shape[1]
        ),
    }
    writer.write_table(pa.table(columns, schema=writer.schema))


def _scored(table: pa.Table) -> Scored:
    lists = [table[name].combine_chunks() for name in ("candidates", "scores")]
    arrays = (column.flatten().to_numpy().reshape(len(column), column.type.list_size) for column in lists)
    return Scored(table["sample_id"].to_numpy(), *arrays)
