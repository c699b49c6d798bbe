"""Renders compare.html: a comparison of runs on one self-contained page.

In: a Comparison, and the queries that changed most. Out: HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval import advice, wording
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
    notes: Sequence[str]
    """What stands in brackets, and what is marked."""


def render_comparison(comparison: Comparison, wins: Sequence[Wins]) -> str:
    """Renders the page as text."""
    first, *others = comparison.runs
    return render(
        "compare.html",
        {
            "title": f"{', '.join(others)} beside {first}",
            "eyebrow": "comparison of runs",
            "made_up": made_up(comparison),
            "flattered": flattered(comparison),
            "is_crossfitted": any(row.seen for queries in comparison.shared for row in queries.rows),
            "lead": " ".join(headlines(comparison)),
            "footer": "Every figure is in the output of synthmill compare with --json.",
            "comparison": comparison,
            "first": first,
            "advised": {name: _searched(comparison, name) for name in comparison.advised},
            "tables": [_quality_table(queries, comparison.advised) for queries in comparison.shared],
            "metrics": [wording.METRIC_NAMES[metric] for metric in (HEADLINE, *OTHER_METRICS)],
            "wins": wins,
            "data": {name: shown_row(values) for name, values in comparison.data.items() if any(values.values())},
            "level": LEVEL,
        },
    )


def shown_run(row: SystemRow, run: str) -> str:
    """Writes the name of a run in a row: with its system where each has another one, its weight of words, and the mark.

    Such as `first (base + words, 0.30) †`.
    """
    system = [name_of(row.systems[run])] if row.system == ADVISED else []
    weight = [f"{row.weights[run]:.2f}"] if run in row.weights else []
    behind = f" ({', '.join(system + weight)})" if system or weight else ""
    return f"{run}{behind}{f' {advice.DAGGER}' if run in row.seen else ''}"


def notes(queries: SharedQueries, advised: Mapping[str, str]) -> list[str]:
    """Says below a table what stands in brackets, and what is marked; nothing where there is neither.

    Args:
        queries: what the table is of.
        advised: the system to search with, by run; what it has where all queries chose it is told.
    """
    sentences = []
    if any(row.weights for row in queries.rows):
        sentences.append("In brackets: the weight of words that the report of each run chose.")
    marked = [row for row in queries.rows if row.seen]
    if marked:
        each = "document" if queries.kind == HELD_OUT else "question"
        row = _advised_row(queries, advised)
        sentences.append(
            f"{advice.DAGGER} Cross-fitted, as in the reports: each {each} is scored by a choice that did not see it. "
            f"{_chosen_by_all(row if row and row.seen else marked[0])}"
        )
    return sentences


def _chosen_by_all(row: SystemRow) -> str:
    name = "what the reports advise" if row.system == ADVISED else name_of(row.system)
    seen = ", ".join(f"{value:.3f} ({run})" for run, value in row.seen.items())
    flatters = any(value > row.means[run][HEADLINE] for run, value in row.seen.items())
    return f"Chosen by all of them, {name} has {seen}{', which flatters it' if flatters else ''}."


def flattered(comparison: Comparison) -> str:
    """Says whose figures are not cross-fitted here, though their reports' are; "" where there is no such run."""
    if not comparison.flattered:
        return ""
    return (
        f"{', '.join(comparison.flattered)}: the report is from before it had cross-fitted values of each query, so "
        "that what was chosen is measured here by queries that chose it, which flatters it; run it again to have them"
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
            f"Searched as each report advises, {name} ({_searched(comparison, name)}) {verdict} {first} "
            f"({_searched(comparison, first)}): nDCG@10 {wording.with_interval(paired.difference)}, "
            f"p {shown_p(paired)}."
        )
    return sentences


def _searched(comparison: Comparison, run: str) -> str:
    """Names the system that a run advises, with the weight of words that it hands over."""
    weight = f", weight of words {comparison.weights[run]:.2f}" if run in comparison.weights else ""
    return f"{name_of(comparison.advised[run])}{weight}"


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


def _quality_table(queries: SharedQueries, advised: Mapping[str, str]) -> QualityTable:
    bounds = [bound for row in queries.rows for paired in row.to_first.values() for bound in paired.difference.ci95]
    axis = nice_axis(min([*bounds, -_LEAST_REACH]), max([*bounds, _LEAST_REACH]), ticks=3)
    lines = [_line(row, run, axis) for row in queries.rows for run in row.means]
    digits = 2 if axis.high - axis.low > 0.05 else 3
    return QualityTable(described(queries), lines, axis_labels(axis, digits, signed=True), notes(queries, advised))


def _line(row: SystemRow, run: str, axis: Axis) -> QualityLine:
    means = [f"{row.means[run][metric]:.3f}" for metric in (HEADLINE, *OTHER_METRICS)]
    name = name_of(row.system)
    if run not in row.to_first:
        return QualityLine(name, shown_run(row, run), means, Markup(""), "", "", "")
    paired = row.to_first[run]
    difference = paired.difference
    text = wording.with_interval(difference)
    mark = Mark(paired.trend, difference.mean, difference.low, difference.high, f"{name}, {run}: {text}")
    return QualityLine(
        "", shown_run(row, run), means, strip([mark], axis, zero=True), text, paired.trend, shown_p(paired)
    )
