"""Renders compare.html: a comparison of runs on one self-contained page.

In: a Comparison, and the queries that changed most. Out: HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import wording
from eval.compare.figures import ADVISED, Comparison, SharedQueries, SystemRow
from eval.compare.wins import Wins
from eval.page.plots import Axis, Mark, axis_labels, nice_axis, strip
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE, METRICS
from eval.sweeps.names import system_name
from eval.sweeps.page import render
from eval.sweeps.paired import LEVEL, Paired

OTHER_METRICS = METRICS[1:]
"""The metrics that are shown without a difference."""
_VERDICTS = {"better": "is better than", "worse": "is worse than", "unclear": "does not clearly differ from"}
"""How a run stands to the first one, by the trend of their difference."""
_LEAST_REACH = 0.01
"""The axis of differences reaches so far at least, also where nothing differs."""


@dataclass(frozen=True)
class QualityLine:
    """One system in one run, in words; the last four are "" for the run that is compared with."""

    system: str
    run: str
    means: Sequence[str]
    """The mean of the headline metric, then of `OTHER_METRICS`."""
    chart: Markup
    difference: str
    trend: str
    p: str


@dataclass(frozen=True)
class QualityTable:
    """What all runs reach on one set of queries."""

    title: str
    lines: Sequence[QualityLine]
    axis: Markup


def render_comparison(comparison: Comparison, wins: Sequence[Wins]) -> str:
    """Renders the page as text."""
    first, *others = comparison.runs
    return render(
        "compare.html",
        {
            "title": f"{', '.join(others)} beside {first}",
            "eyebrow": "comparison of runs",
            "made_up": made_up(comparison),
            "lead": " ".join(headlines(comparison)),
            "footer": "Every figure is in the output of synthmill compare with --json.",
            "comparison": comparison,
            "first": first,
            "advised": {name: name_of(system) for name, system in comparison.advised.items()},
            "tables": [_quality_table(queries) for queries in comparison.shared],
            "metrics": [wording.METRIC_NAMES[metric] for metric in (HEADLINE, *OTHER_METRICS)],
            "wins": wins,
            "data": {name: shown_row(values) for name, values in comparison.data.items()},
            "level": LEVEL,
        },
    )


def made_up(comparison: Comparison) -> str:
    """Says which runs have made-up samples; "" where none has."""
    return f"{', '.join(comparison.made_up)}: {wording.MADE_UP}" if comparison.made_up else ""


def name_of(system: str) -> str:
    """Returns the name of a system that people read."""
    return "as advised" if system == ADVISED else system_name(system)


def described(queries: SharedQueries) -> str:
    """Says which queries were shared, and how many of each run's."""
    kind = "synthetic queries of held-out documents" if queries.kind == HELD_OUT else f"questions of {queries.name}"
    if set(queries.of.values()) == {queries.queries}:
        return f"{queries.queries:,} {kind}, all that each run was measured on"
    of = ", ".join(f"{count:,} of {name}" for name, count in queries.of.items())
    return f"{queries.queries:,} {kind} that all runs share, of {of}"


def headlines(comparison: Comparison) -> list[str]:
    """Says of each other run whether search as it advises is better than search as the first run advises."""
    shared = comparison.shared[0]
    sentences = []
    for name in list(comparison.runs)[1:]:
        row = _advised_row(shared, comparison.advised)
        if row is None:
            sentences.append(f"What {name} advises was not measured on shared queries.")
            continue
        paired = row.to_first[name]
        verdict = _VERDICTS[paired.trend]
        first = next(iter(comparison.runs))
        sentences.append(
            f"Searched as each report advises, {name} ({name_of(comparison.advised[name])}) {verdict} {first} "
            f"({name_of(comparison.advised[first])}): nDCG@10 {wording.with_interval(paired.difference)}, "
            f"p {shown_p(paired)}."
        )
    return sentences


def _advised_row(shared: SharedQueries, advised: Mapping[str, str]) -> SystemRow | None:
    systems = set(advised.values())
    wanted = ADVISED if len(systems) > 1 else next(iter(systems))
    return next((row for row in shared.rows if row.system == wanted), None)


def shown_p(paired: Paired) -> str:
    """Writes the corrected p."""
    return "< 0.001" if paired.p_holm < 0.001 else f"{paired.p_holm:.3f}"


def shown_row(values: Mapping[str, float | None]) -> list[str]:
    """Writes the figures of one row of the data with as many decimals as they need."""
    digits = 3 if all(abs(value) < 1 for value in values.values() if value is not None) else 1
    return [wording.figure(value, digits) for value in values.values()]


def _quality_table(queries: SharedQueries) -> QualityTable:
    bounds = [bound for row in queries.rows for paired in row.to_first.values() for bound in paired.difference.ci95]
    axis = nice_axis(min([*bounds, -_LEAST_REACH]), max([*bounds, _LEAST_REACH]), ticks=3)
    lines = [_line(row, run, axis) for row in queries.rows for run in row.means]
    digits = 2 if axis.high - axis.low > 0.05 else 3
    return QualityTable(described(queries), lines, axis_labels(axis, digits, signed=True))


def _line(row: SystemRow, run: str, axis: Axis) -> QualityLine:
    means = [f"{row.means[run][metric]:.3f}" for metric in (HEADLINE, *OTHER_METRICS)]
    name = name_of(row.system)
    shown_run = f"{run} ({name_of(row.systems[run])})" if row.system == ADVISED else run
    if run not in row.to_first:
        return QualityLine(name, shown_run, means, Markup(""), "", "", "")
    paired = row.to_first[run]
    difference = paired.difference
    text = wording.with_interval(difference)
    mark = Mark(paired.trend, difference.mean, difference.low, difference.high, f"{name}, {run}: {text}")
    return QualityLine("", shown_run, means, strip([mark], axis, zero=True), text, paired.trend, shown_p(paired))
