"""Turns the comparison of indexes into the rows of its table.

In: the figures of `eval/retrieval/indexes.py`. Out: texts, for the partial template templates/indexes.html and for
the terminal. There are some only where `report.indexes` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.text.durations import format_seconds
from eval import wording
from eval.retrieval.indexes import DEPTHS, EXACT, IndexComparison, IndexFigures

_NAMES = {EXACT: "Exact", "flat": "Flat (exact)", "hnsw": "HNSW", "ivf_pq": "IVF-PQ"}


@dataclass(frozen=True)
class IndexRow:
    """One index, in words; `left_out` says why the others are empty."""

    name: str
    settings: str
    recall: Sequence[str]
    """The recall at each depth of `DEPTHS`."""
    latency: str
    size: str
    built: str
    left_out: str = ""


def index_rows(comparison: IndexComparison | None) -> list[IndexRow]:
    """Returns a row for each index; none where none was asked for."""
    figures = comparison.indexes if comparison else {}
    return [_row(_NAMES[name], index) for name, index in figures.items()]


def index_note(comparison: IndexComparison | None) -> str:
    """Says what the table rests on; empty without one."""
    if comparison is None:
        return ""
    return (
        f"The {wording.figure(comparison.passages)} passages as the {comparison.model} model encodes them, in "
        f"{comparison.dim} dimensions; recall against exact search, mean over {wording.figure(comparison.queries)} "
        "queries. What an index proposes is scored exactly, so that it can only miss passages. Codes are read beside "
        "the vectors, which then stay on the disk and do not count as its size."
    )


def index_line(comparison: IndexComparison | None) -> str:
    """Puts the comparison into one line of a terminal; empty without one."""
    if comparison is None:
        return ""
    found = ", ".join(_in_words(_NAMES[name], figures) for name, figures in comparison.indexes.items())
    return f"recall@{DEPTHS[0]} over {comparison.passages:,} vectors of the {comparison.model} model: {found}"


def _in_words(name: str, figures: IndexFigures) -> str:
    if figures.left_out:
        return f"{name} not built ({figures.left_out})"
    time = f" in {figures.search.p50_ms:.2f} ms" if figures.search else ""
    return f"{name} {figures.recall[str(DEPTHS[0])]:.3f}{time}, {_megabytes(figures.bytes)}"


def _row(name: str, figures: IndexFigures) -> IndexRow:
    search = figures.search
    return IndexRow(
        name=name,
        settings=", ".join(f"{setting}={value}" for setting, value in figures.settings.items()),
        recall=[f"{figures.recall[str(depth)]:.3f}" if figures.recall else "\u2013" for depth in DEPTHS],
        latency=f"{search.p50_ms:.2f} / {search.p95_ms:.2f} ms" if search else "\u2013",
        size=_megabytes(figures.bytes) if figures.bytes else "\u2013",
        built=format_seconds(figures.build_seconds) if figures.build_seconds else "\u2013",
        left_out=figures.left_out,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
