"""Turns agreement with grades into the rows of its table.

In: the figures of `eval/similarity/figures.py`. Out: texts, for the partial template templates/similarity.html, which
the report and that of a run without documents have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval import wording
from eval.report import HELD_OUT
from eval.similarity.figures import STATISTICS, SimilarityFigures


@dataclass(frozen=True)
class SimilarityPart:
    """A set of graded pairs on the page."""

    title: str
    clusters: int
    rows: Sequence[tuple[str, Sequence[str]]]
    """The name of each model, and its correlations."""
    differences: Sequence[tuple[str, str]]
    """Tuned minus base of each correlation, and its direction."""


def similarity_parts(sets: Mapping[str, SimilarityFigures]) -> list[SimilarityPart]:
    """Returns a part for each set of graded pairs; none without any."""
    return [_part(name, figures) for name, figures in sets.items()]


def pairs_of(figures: SimilarityFigures, name: str) -> str:
    """Says which pairs a set is, such as `500 of 2,000 held-out graded pairs`."""
    of = f" of {figures.of:,}" if figures.of > figures.pairs else ""
    if name == HELD_OUT:
        return f"{figures.pairs:,}{of} held-out graded pairs"
    left_out = f" ({figures.trained_on:,} more share a text with training)" if figures.trained_on else ""
    return f"{figures.pairs:,}{of} graded pairs of the file{left_out}"


def level(value: float, ci95: tuple[float, float]) -> str:
    """Writes a figure with its interval, below zero with a real minus sign (U+2212)."""
    return f"{value:.3f} [{ci95[0]:.3f}, {ci95[1]:.3f}]".replace("-", "\u2212")


def _part(name: str, figures: SimilarityFigures) -> SimilarityPart:
    rows = [
        (model, [level(levels[key], figures.ci95[model][key]) for key in STATISTICS])
        for model, levels in figures.systems.items()
    ]
    differences = [figures.difference[key] for key in STATISTICS]
    told = [(wording.with_interval(each), wording.trend_of(each)) for each in differences]
    return SimilarityPart(pairs_of(figures, name), figures.clusters, rows, told)
