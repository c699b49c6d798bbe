"""Renders stages.html: several models in one table, and the curves of those that were trained longer and longer.

In: the figures of all models. Out: HTML on one self-contained page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import wording
from eval.page.plots import nice_axis
from eval.stages.config import BASE, TEMPLATE
from eval.stages.figures import HELD_OUT, QUESTIONS, TRAIN, SetFigures, StageFigures, Stages
from eval.stages.words import (
    SIDES,
    best_sentence,
    cell,
    counted,
    how_trained,
    metric_name,
    metrics_of,
    model_name,
    time_of_questions,
    title,
    training_time,
    words_sentence,
)
from eval.sweeps.lines import Ground, Point, Series, line_chart, marker
from eval.sweeps.page import render

_KINDS = {HELD_OUT: "tuned", TRAIN: "base_words"}
"""The CSS class of each side's line."""


@dataclass(frozen=True)
class Row:
    """One model in the table of a set: held out, with its interval and what it adds, and training."""

    name: str
    cells: Sequence[tuple[str, str]]
    """A level of each side, for each metric."""
    difference: str
    trend: str
    beside: str


@dataclass(frozen=True)
class SetPart:
    """A set on the page."""

    title: str
    by: str
    metrics: Sequence[str]
    rows: Sequence[Row]
    charts: Sequence[tuple[str, Markup]]


def render_stages(figures: Stages) -> str:
    """Renders the page as text."""
    models = [
        (model_name(stage.name), how_trained(stage), stage.beside, training_time(stage), time_of_questions(stage))
        for stage in figures.stages
    ]
    return render(
        TEMPLATE,
        {
            "title": title(figures),
            "eyebrow": "stages",
            "lead": best_sentence(figures),
            "words": words_sentence(figures),
            "footer": "Every figure is in stages.json.",
            "models": models,
            "legend": [(marker(kind), SIDES[side]) for side, kind in _KINDS.items()]
            + [(marker("base"), "base, held out")],
            "parts": [_part(figures, part) for part in figures.sets.values()],
        },
    )


def _part(figures: Stages, part: SetFigures) -> SetPart:
    metrics = metrics_of(figures, part)
    units = "documents" if part.kind == QUESTIONS else "groups of pairs with a text in common"
    return SetPart(
        counted(part),
        f"{part.clusters.get(HELD_OUT, 0):,} {units}",
        [metric_name(metric) for metric in metrics],
        [_row(part, stage, metrics) for stage in figures.stages if stage.name in part.levels.get(HELD_OUT, {})],
        [
            (f"{stage}: {metric_name(metrics[0])} by epochs", chart)
            for stage, chart in _charts(figures, part, metrics[0])
        ],
    )


def _row(part: SetFigures, stage: StageFigures, metrics: Sequence[str]) -> Row:
    level = part.levels[HELD_OUT][stage.name][metrics[0]]
    difference = level.difference
    return Row(
        model_name(stage.name),
        [(cell(part, HELD_OUT, stage.name, metric), cell(part, TRAIN, stage.name, metric)) for metric in metrics],
        wording.with_interval(difference) if difference else "",
        wording.trend_of(difference) if difference else "unclear",
        model_name(stage.beside) if difference else "",
    )


def _charts(figures: Stages, part: SetFigures, metric: str) -> list[tuple[str, Markup]]:
    """Draws a chart for each stage that is a curve; all of them have one scale."""
    curves: dict[str, list[StageFigures]] = {}
    for stage in figures.stages:
        if stage.epochs and stage.name in part.levels.get(HELD_OUT, {}):
            curves.setdefault(stage.stage, []).append(stage)
    if not curves:
        return []
    base = part.levels[HELD_OUT][BASE][metric].mean
    names = [stage.name for curve in curves.values() for stage in curve]
    levels = [part.levels[side][name][metric] for side in part.levels for name in names if name in part.levels[side]]
    bounds = [base, *(bound for level in levels for bound in level.ci95)]
    axis = nice_axis(min(bounds), max(bounds))
    charts = []
    for name, curve in curves.items():
        series = [
            Series(kind, [_point(part, side, stage.name, metric, at) for at, stage in enumerate(curve)])
            for side, kind in _KINDS.items()
            if all(stage.name in part.levels.get(side, {}) for stage in curve)
        ]
        flat = [Point(at, base, base, base, f"base {base:.3f}") for at in range(len(curve))]
        ticks = [str(stage.epochs) for stage in curve]
        ground = Ground([*ticks[:-1], f"{ticks[-1]} epochs"], axis)
        label = f"{metric_name(metric)} of {name} by epochs, held out and training"
        charts.append((name, line_chart([*series, Series("base", flat)], ground, label)))
    return charts


def _point(part: SetFigures, side: str, name: str, metric: str, at: int) -> Point:
    level = part.levels[side][name][metric]
    low, high = level.ci95
    label = f"{name}, {SIDES[side]}: {level.mean:.3f} (95 % interval {low:.3f} to {high:.3f})"
    return Point(at, level.mean, low, high, label)
