"""The page of a sweep, and its table on the terminal: every point, parallel coordinates, what the keys explain.

In: a sweep's config and its points. Out: HTML in the style of the other pages, and a rich table of the best points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from engine.sweeps.config import Mode, SweepConfig
from engine.sweeps.importance import LEAST_POINTS, importance
from engine.sweeps.journal import Progress, Tried
from engine.sweeps.metric import WORDS
from engine.sweeps.parallel import parallel_chart
from engine.sweeps.search import Method
from engine.sweeps.stopping import Stop
from engine.text.durations import format_seconds
from eval import wording
from eval.sweeps.page import render

_SHOWN = 10
"""Points in the table on the terminal; the page has all."""
_ORDER = (Progress.finished, Progress.stopped, Progress.failed, Progress.started)
_SEARCHES = {Method.tpe: "Optuna's TPE", Method.random: "drawing at random"}
_STOPS = {
    Stop.none: "Every point was trained to its end.",
    Stop.asha: "ASHA stopped points at validations 2, 6, 18 ..., where only the best third goes on.",
    Stop.median: "Points were stopped whose best validation was below the median of the others' means so far.",
}


def ranked(points: Sequence[Tried], mode: Mode) -> list[Tried]:
    """Returns points from the best finished one on; after these the stopped, the failed and the unfinished ones."""
    sign = -1 if mode is Mode.max else 1

    def key(point: Tried) -> tuple[int, bool, float, int]:
        value = point.score if point.score is not None else next(iter(point.curve[-1:]), 0.0)
        return _ORDER.index(point.progress), math.isnan(value), 0.0 if math.isnan(value) else sign * value, point.number

    return sorted(points, key=key)


def best_of(points: Sequence[Tried], mode: Mode) -> Tried | None:
    """Returns the best finished point; None where none is, or none has a score that is a number."""
    return next(iter(scored(ranked(points, mode))), None)


def scored(points: Sequence[Tried]) -> list[Tried]:
    """Returns the finished points whose score is a finite number; an older journal may hold one that is not."""
    return [
        point
        for point in points
        if point.progress is Progress.finished and point.score is not None and math.isfinite(point.score)
    ]


def sweep_page(config: SweepConfig, metric: str, points: Sequence[Tried], *, is_made_up: bool) -> str:
    """Renders the page.

    Args:
        config: the sweep.
        metric: what its points were judged by.
        points: all of them.
        is_made_up: whether the fake generator wrote the samples.
    """
    best, order = best_of(points, config.mode), ranked(points, config.mode)
    finished = scored(order)
    keys = [parameter.key for parameter in config.space.parameters]
    shares = importance(config.space, points)
    values = {
        "title": config.name,
        "eyebrow": "sweep",
        "lead": _lead(metric, best, len(finished), len(points)),
        "footer": f"The best settings as an experiment: best.yaml, in the folder of this page. {config.where}",
        "made_up": wording.MADE_UP if is_made_up else "",
        "chart": parallel_chart(config.space, finished[::-1], metric) if len(finished) > 1 else "",
        "keys": keys,
        "rows": [_row(point, keys, best) for point in order],
        "space": [
            (parameter.key, parameter.described(), _when(parameter.when)) for parameter in config.space.parameters
        ],
        "shares": [(key, f"{100 * share:.0f} %", share) for key, share in shares.items()],
        "least": LEAST_POINTS,
        "metric": metric,
        "metric_words": WORDS.get(metric, f"{metric}, as the step records it"),
        "search": _SEARCHES[config.search],
        "stop": _STOPS[config.stop],
        "is_low": config.mode is Mode.min,
    }
    return render("sweep.html", values)


def sweep_table(config: SweepConfig, metric: str, points: Sequence[Tried]) -> Table:
    """Makes a table of the best points."""
    table = Table(title=f"{metric}, best points", title_justify="left", title_style="bold", box=box.SIMPLE)
    keys = [parameter.key for parameter in config.space.parameters]
    for heading in ("point", metric, *keys):
        table.add_column(escape(heading), justify="right")
    best = best_of(points, config.mode)
    for point in ranked(points, config.mode)[:_SHOWN]:
        style = "bold green" if point is best else ""
        cells = (str(point.number), _score(point), *(escape(_value(point, key)) for key in keys))
        table.add_row(*cells, style=style)
    return table


def _lead(metric: str, best: Tried | None, finished: int, total: int) -> str:
    if best is None:
        return f"None of {total} points has come to its end."
    settings = ", ".join(f"{key} = {value}" for key, value in best.values.items())
    ends = f"{finished} of {total} points are finished."
    return f"Point {best.number} reaches {_score(best)} ({metric}): {settings}. {ends}"


def _row(point: Tried, keys: Sequence[str], best: Tried | None) -> dict[str, object]:
    said = f"{point.progress.value}: {point.said}" if point.said else point.progress.value
    time = format_seconds(point.seconds) if point.seconds else ""
    cells = [_value(point, key) for key in keys]
    return {
        "number": point.number,
        "score": _score(point),
        "cells": cells,
        "said": said,
        "time": time,
        "is_best": point is best,
    }


def _score(point: Tried) -> str:
    if point.score is not None:
        return f"{point.score:.4g}"
    return f"({point.curve[-1]:.4g})" if point.curve else ""


def _value(point: Tried, key: str) -> str:
    return str(point.values[key]) if key in point.values else "-"


def _when(conditions: object) -> str:
    assert isinstance(conditions, dict), "conditions are read into a dict"
    return "; ".join(f"where {key} is {' or '.join(map(str, wanted))}" for key, wanted in conditions.items())
