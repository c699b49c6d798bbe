"""What a judge thought of samples: a samples folder whose rows are judgements, and where the line is drawn in it.

In: the folder, whose rows have the ids of the samples that they are about, and a Criterion. Out: a figure for each
sample that was judged, who is turned down by it, and of whom the next judge need not be asked. The judge's own plan and
the curation of examples both read it here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.storage.parts import committed_parts

QUERY = "judged_query"
"""The condition of a judge's plan that holds the text which is asked about."""

Ids = npt.NDArray[np.int64]
Figures = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Criterion:
    """Which figure is read of the rows of one folder of judgements, and where it draws the line."""

    rubric: str
    """The name of what was asked, which details of rejections begin with."""
    judged: str
    """The name under which a step finds the folder among its inputs."""
    reason: str
    """The reason of those who are turned down."""
    columns: tuple[str, ...]
    """The columns whose mean is the figure ..."""
    baseline: str
    """... less this column; empty where nothing is subtracted."""
    reject_below: float
    keep_from: float
    """From here on a sample passes. It is above `reject_below` where a further model is asked about those between."""

    @property
    def is_final(self) -> bool:
        """Tells whether no further model is asked about a sample that was judged here."""
        return self.reject_below == self.keep_from

    def rejects(self, figures: Figures) -> Flags:
        """Tells which figures turn a sample down: also NaN, of one that could not be judged, where this is final."""
        return ~(figures >= self.reject_below) if self.is_final else figures < self.reject_below

    def settles(self, figures: Figures) -> Flags:
        """Tells about which samples no further model is asked the same."""
        return self.rejects(figures) | (figures >= self.keep_from)


@dataclass(frozen=True)
class Judged:
    """The figures of one folder of judgements."""

    ids: Ids
    """The samples that were judged, sorted."""
    figures: Figures
    """The figure of each; NaN where the judge could not be asked."""


def read_judged(folder: Path, criterion: Criterion) -> Judged:
    """Reads the figures of a finished folder of judgements, 16 bytes a sample.

    Args:
        folder: of the samples step that asked the judge.
        criterion: says in which columns a figure stands.
    """
    ids, figures = [np.empty(0, np.int64)], [np.empty(0, np.float64)]
    scores = [*criterion.columns, *([criterion.baseline] if criterion.baseline else [])]
    for part in committed_parts(folder):
        table = pq.read_table(part, columns=["sample_id", *scores])
        ids.append(table["sample_id"].to_numpy())
        figures.append(figures_of(table, criterion))
    together, values = np.concatenate(ids), np.concatenate(figures)
    order = np.argsort(together)
    return Judged(together[order], values[order])


def figures_of(table: pa.Table, criterion: Criterion) -> Figures:
    """Computes the figure of each row, (rows,); a row that failed has nulls, and gets NaN."""
    values: Figures = np.mean([_numbers(table[name]) for name in criterion.columns], axis=0)
    return values - _numbers(table[criterion.baseline]) if criterion.baseline else values


def _numbers(column: pa.ChunkedArray) -> Figures:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)


def rows_with(ids: Ids, wanted: Ids) -> tuple[Ids, Flags]:
    """Looks ids up among sorted ones.

    Args:
        ids: sorted, each once.
        wanted: what is looked up.

    Returns:
        The position of each in `ids`, 0 where it is not there, and whether it is.
    """
    if not len(ids):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    is_there = ids[places] == wanted
    return np.where(is_there, places, 0), is_there


def settled_ids(judged: Sequence[tuple[Criterion, Judged]], rubric: str) -> Ids:
    """Finds the samples that need not be asked a rubric: rejected by any judge, or settled by one that was asked it.

    Args:
        judged: what earlier judges thought.
        rubric: what is to be asked.

    Returns:
        Sorted ids.
    """
    settled = [np.empty(0, np.int64)]
    for criterion, answers in judged:
        decide = criterion.settles if criterion.rubric == rubric else criterion.rejects
        settled.append(answers.ids[decide(answers.figures)])
    return np.unique(np.concatenate(settled))
