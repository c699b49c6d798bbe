"""The tables that a run without documents ends with, on the terminal.

In: a GivenReport. Out: rich tables of 80 columns, and the sentence below them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from eval import wording
from eval.classification.figures import ClassificationFigures
from eval.data_quality.controls import CONTROLS, ControlFigures
from eval.given.figures import GivenReport
from eval.given.searched import SearchFigures
from eval.given.words import METRIC_NAMES, RULES, count, headline, lead, system_name
from eval.page.similarity import pairs_of
from eval.page.table import STYLES
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures
from eval.similarity.figures import STATISTICS, SimilarityFigures

_METRICS = (HEADLINE, "hit@1", "mrr@100")
"""The metrics that fit the width of a terminal."""
_LABELS = ("accuracy", "macro_f1")


def given_tables(report: GivenReport) -> list[Table]:
    """Makes a table for each set that was measured on; none where there was none."""
    return list(_tables(report))


def closing_sentence(report: GivenReport) -> str:
    """Says what a run comes to, below its tables."""
    return f"{headline(report)}. {lead(report)}"


def _tables(report: GivenReport) -> Iterator[Table]:
    for name, figures in report.search.items():
        yield _search(figures, name)
    for name, similarity in report.similarity.items():
        yield _similarity(similarity, name)
    for name, classification in report.classification.items():
        yield _classification(classification, name)
    if report.controls:
        yield _controls(report.controls)


def _search(figures: SearchFigures, name: str) -> Table:
    table = _table(f"Search, {count(figures, name)}", [*(METRIC_NAMES[key] for key in _METRICS), "nDCG@10, difference"])
    for system, each in figures.systems.items():
        difference = _difference(each.difference.get(HEADLINE))
        table.add_row(escape(system_name(system)), *(f"{each.means[key]:.3f}" for key in _METRICS), difference)
    return table


def _similarity(figures: SimilarityFigures, name: str) -> Table:
    table = _table(f"Agreement with grades, {pairs_of(figures, name)}", [METRIC_NAMES[key] for key in STATISTICS])
    for model, levels in figures.systems.items():
        table.add_row(model, *(f"{levels[key]:.3f}" for key in STATISTICS))
    table.add_row("tuned \u2212 base", *(_difference(figures.difference[key]) for key in STATISTICS))
    return table


def _classification(figures: ClassificationFigures, name: str) -> Table:
    columns = [*(METRIC_NAMES[key] for key in _LABELS), "macro-F1, tuned minus"]
    table = _table(f"Labels, {count(figures, name)}", columns)
    for system, levels in figures.systems.items():
        beside = figures.difference.get(system)
        difference = _difference(beside["macro_f1"] if beside else None)
        table.add_row(RULES[system].partition(",")[0], *(f"{levels[key]:.3f}" for key in _LABELS), difference)
    return table


def _controls(figures: ControlFigures) -> Table:
    number = figures.samples[CONTROLS].texts
    title = f"How different {number:,} texts are from one another, beside as many controls"
    table = _table(title, ["different word pairs", "self-BLEU", "Vendi", "mean words"])
    for name, sample in figures.samples.items():
        cells = (f"{sample.self_bleu:.3f}", f"{sample.vendi:.1f}", f"{figures.mean_words[name]:.1f}")
        table.add_row(name, wording.share(figures.shares[name], 1), *cells)
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _difference(difference: DifferenceFigures | None) -> str:
    if difference is None:
        return "\u2013"
    text, style = escape(wording.with_interval(difference)), STYLES[wording.trend_of(difference)]
    return f"[{style}]{text}[/{style}]" if style else text
