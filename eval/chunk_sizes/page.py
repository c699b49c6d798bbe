"""Renders chunk_sizes.html: search by size of the chunks, on one self-contained page.

In: a ChunkSizes. Out: HTML.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import wording
from eval.chunk_sizes.config import TEMPLATE
from eval.chunk_sizes.figures import ChunkSizes, Reached, SetCurves, SizeFigures
from eval.chunk_sizes.words import (
    advice,
    doubt_sentence,
    flat_sentence,
    limit_sentence,
    main_set,
    milliseconds,
    queries_of,
    size_in_words,
    whole_sentence,
)
from eval.page.plots import Axis, nice_axis
from eval.retrieval.metrics import HEADLINE
from eval.sweeps.lines import Ground, Point, Series, line_chart, marker
from eval.sweeps.measuring import MEASURED
from eval.sweeps.names import system_name
from eval.sweeps.page import render


@dataclass(frozen=True)
class Chart:
    """The curves of all systems for one overlap."""

    title: str
    drawing: Markup


@dataclass(frozen=True)
class Cell:
    """What one system reaches at one size, in words."""

    level: str
    difference: str
    trend: str
    is_flat: bool


@dataclass(frozen=True)
class SetPart:
    """One set of queries on the page."""

    title: str
    charts: Sequence[Chart]
    sentences: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    recalls: Sequence[tuple[str, Sequence[str]]]


def render_chunk_sizes(figures: ChunkSizes) -> str:
    """Renders the page as text."""
    systems = list(main_set(figures).systems)
    return render(
        TEMPLATE,
        {
            "title": advice(figures),
            "eyebrow": "chunk sizes",
            "made_up": wording.MADE_UP if figures.is_made_up else "",
            "lead": flat_sentence(figures, main_set(figures), systems[-1]),
            "footer": "Every figure is in chunk_sizes.json.",
            "figures": figures,
            "limits": " ".join(
                filter(None, (doubt_sentence(figures), limit_sentence(figures), whole_sentence(figures)))
            ),
            "legend": [(marker(system), system_name(system)) for system in systems],
            "systems": [system_name(system) for system in systems],
            "parts": [_part(figures, curves) for curves in figures.sets.values()],
            "costs": [_costs(size, systems) for size in figures.sizes],
            "recall_names": [f"Recall@{name.partition('@')[2]}" for name in MEASURED[1:]],
        },
    )


def _part(figures: ChunkSizes, curves: SetCurves) -> SetPart:
    bounds = [bound for curve in curves.systems.values() for reached in curve.sizes for bound in reached.ci95]
    axis = nice_axis(min(bounds), max(bounds))
    rows, recalls = [], []
    for number, size in enumerate(figures.sizes):
        cells = [_cell(curve.sizes[number], number == curve.flat) for curve in curves.systems.values()]
        rows.append((size_in_words(size), cells))
        means = [curve.sizes[number].means for curve in curves.systems.values()]
        recalls.append((size_in_words(size), [f"{mean[metric]:.3f}" for mean in means for metric in MEASURED[1:]]))
    return SetPart(
        queries_of(curves),
        [_chart(figures, curves, numbers, axis) for numbers in by_overlap(figures.sizes)],
        [flat_sentence(figures, curves, system) for system in curves.systems],
        rows,
        recalls,
    )


def _cell(reached: Reached, is_flat: bool) -> Cell:
    level = f"{reached.means[HEADLINE]:.3f}"
    if reached.to_best is None:
        return Cell(level, "best", "unclear", is_flat)
    return Cell(
        level, wording.with_interval(reached.to_best.difference), "worse" if reached.is_worse else "unclear", is_flat
    )


def _costs(size: SizeFigures, systems: Sequence[str]) -> tuple[str, list[str]]:
    times = [milliseconds(size, system) for system in systems]
    vectors, words = (f"{count / 1e6:,.1f}" for count in (size.vector_bytes, size.bm25_bytes))
    numbers = [f"{size.passages:,}", f"{size.mean_tokens:,.0f}", wording.share(size.cut_share, 1), vectors, words]
    return size_in_words(size), [*numbers, *times]


def by_overlap(sizes: Sequence[SizeFigures]) -> list[list[int]]:
    """Returns the numbers of the sizes with the smallest overlap of each, of those with the second smallest, ..."""
    numbers: dict[int, list[int]] = {}
    for number, size in enumerate(sizes):
        numbers.setdefault(size.tokens, []).append(number)
    groups = itertools.zip_longest(*numbers.values())
    return [[number for number in group if number is not None] for group in groups]


def _chart(figures: ChunkSizes, curves: SetCurves, numbers: Sequence[int], axis: Axis) -> Chart:
    """Draws the curves over the sizes of these numbers."""
    share = max(figures.sizes[number].overlap_tokens / figures.sizes[number].tokens for number in numbers)
    tokens = [figures.sizes[number].tokens for number in numbers]
    series = [
        Series(system, [_point(curve.sizes[number], at, tokens[at], system) for at, number in enumerate(numbers)])
        for system, curve in curves.systems.items()
    ]
    ticks = [f"{count:,}" for count in tokens[:-1]] + [f"{tokens[-1]:,} tokens"]
    ground = Ground(
        ticks, axis, limit=limit_between(tokens, figures.encoder_tokens), limit_label="encoder reads so far"
    )
    title = f"overlap {100 * share:.3g} %" if share else "no overlap"
    label = f"nDCG@10 by size of the chunks, {title}, on {queries_of(curves)}"
    return Chart(title, line_chart(series, ground, label))


def limit_between(tokens: Sequence[int], limit: int) -> float | None:
    """Returns where a number of tokens lies among the sizes, as a number of sizes from the first; None if outside."""
    for at, (low, high) in enumerate(itertools.pairwise(tokens)):
        if low <= limit <= high:
            return at + math.log(limit / low) / math.log(high / low)
    return None


def _point(reached: Reached, at: int, tokens: int, system: str) -> Point:
    value, (low, high) = reached.means[HEADLINE], reached.ci95
    name = system_name(system)
    return Point(
        at, value, low, high, f"{name}, {tokens:,} tokens: {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
    )
