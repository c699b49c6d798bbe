"""Renders learning_curve.html: quality against the number of examples, on one self-contained page.

In: a LearningCurve. Out: HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import wording
from eval.learning_curve.config import TEMPLATE
from eval.learning_curve.figures import LearningCurve, Level, SetCurves
from eval.learning_curve.words import (
    engine_time,
    enough_sentence,
    gain_sentences,
    main_set,
    next_sentence,
    queries_of,
    title,
)
from eval.page.plots import nice_axis
from eval.sweeps.lines import Ground, Point, Series, line_chart, marker
from eval.sweeps.names import system_name
from eval.sweeps.page import render


@dataclass(frozen=True)
class LevelCell:
    """What one system reaches with one number of examples, in words."""

    level: str
    seeds: str
    gain: str
    trend: str
    is_enough: bool


@dataclass(frozen=True)
class SetPart:
    """One set of queries on the page."""

    title: str
    chart: Markup
    bm25: str
    sentences: Sequence[str]
    gains: Sequence[str]
    rows: Sequence[tuple[str, Sequence[LevelCell]]]


def render_learning_curve(figures: LearningCurve) -> str:
    """Renders the page as text."""
    curves = main_set(figures)
    return render(
        TEMPLATE,
        {
            "title": title(figures),
            "eyebrow": "learning curve",
            "made_up": wording.MADE_UP if figures.is_made_up else "",
            "lead": enough_sentence(figures, curves, "tuned_words"),
            "footer": "Every figure is in learning_curve.json.",
            "figures": figures,
            "next": next_sentence(figures),
            "times": [engine_time(effort) for effort in figures.efforts[1:]],
            "legend": [(marker(system), name) for system, name in _names().items()],
            "systems": [system_name(system) for system in curves.systems],
            "parts": [_part(figures, one) for one in figures.sets.values()],
        },
    )


def _names() -> dict[str, str]:
    return {system: system_name(system) for system in ("tuned", "tuned_words")} | {"bm25": "BM25"}


def _part(figures: LearningCurve, curves: SetCurves) -> SetPart:
    rows = []
    for at, effort in enumerate(figures.efforts):
        cells = [_cell(curve.levels[at], at == curve.enough) for curve in curves.systems.values()]
        rows.append((f"{effort.examples:,}" if effort.examples else "none: base", cells))
    return SetPart(
        queries_of(curves),
        _chart(figures, curves),
        f"{curves.bm25:.3f}",
        [enough_sentence(figures, curves, system) for system in curves.systems],
        gain_sentences(figures, curves, "tuned_words"),
        rows,
    )


def _cell(level: Level, is_enough: bool) -> LevelCell:
    seeds = ", ".join(f"{mean:.3f}" for mean in level.seeds)
    gain = wording.with_interval(level.gain) if level.gain else ""
    trend = wording.trend_of(level.gain) if level.gain else "unclear"
    return LevelCell(f"{level.mean:.3f}", seeds, gain, trend, is_enough)


def _chart(figures: LearningCurve, curves: SetCurves) -> Markup:
    bounds = [bound for curve in curves.systems.values() for level in curve.levels for bound in level.ci95]
    axis = nice_axis(min([*bounds, curves.bm25]), max([*bounds, curves.bm25]))
    series = [
        Series(system, [_point(level, at, system, figures) for at, level in enumerate(curve.levels)])
        for system, curve in curves.systems.items()
    ]
    flat = f"BM25 {curves.bm25:.3f}"
    series.append(
        Series("bm25", [Point(at, curves.bm25, curves.bm25, curves.bm25, flat) for at in range(len(figures.efforts))])
    )
    counts = [f"{effort.examples:,}" for effort in figures.efforts[1:]]
    ground = Ground(["base", *counts[:-1], f"{counts[-1]} examples"], axis)
    return line_chart(series, ground, f"nDCG@10 by number of examples on {queries_of(curves)}")


def _point(level: Level, at: int, system: str, figures: LearningCurve) -> Point:
    low, high = level.ci95
    count = figures.efforts[at].examples
    label = f"{_names()[system]}, {count:,} examples: {level.mean:.3f} (95 % interval {low:.3f} to {high:.3f})"
    return Point(at, level.mean, low, high, label)
