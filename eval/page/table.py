"""The tables that a run ends with, on the terminal.

In: a Report. Out: rich tables that fit 80 columns: all systems beside the one to search with, and what tuning did to
each metric, each with the queries that it is of. Differences are coloured only where they are significant.
"""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from eval import advice, wording
from eval.page.systems import compared_with, system_rows
from eval.report import Report
from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.metrics import METRICS
from eval.significance import DifferenceFigures

COLUMNS = METRICS[:6]
"""The metrics that fit the width of a terminal."""
STYLES = {"better": "bold green", "worse": "bold red", "unclear": ""}
"""The looks of a difference, by its trend."""


def systems_table(report: Report) -> Table | None:
    """Makes a table of all systems; None where the report does not compare them.

    What they reach is told below it in words; what to search with stands above (`advice.advice_with_reason`).
    """
    rows = system_rows(report)
    if not rows:
        return None
    table = _table(f"All systems, on {wording.questions(report)}", box.SIMPLE_HEAD)
    table.add_column("")
    for name in ("nDCG@10", f"to {advice.system_name(compared_with(report))} [95 %]", "p, Holm", "query"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        text, style = row.difference or "\u2013", "bold" if not row.difference else STYLES[row.trend]
        difference = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        name = f"[bold]{escape(row.name)}[/bold]" if not row.difference else escape(row.name)
        table.add_row(name, row.level.partition(" ")[0], difference, row.p, row.latency)
    measured = " ".join(filter(None, [advice.measured_sentence(report), advice.reranker_sentence(report)]))
    table.caption = escape("\n".join(filter(None, [measured, advice.crossfit_sentence(report)])))
    return table


def summary_table(report: Report) -> Table:
    """Makes a table with the rows BM25, base, tuned, difference and its 95 % interval, and a column per metric.

    Where the choice goes by other queries, the caption names both sets.
    """
    _, figures = wording.shown_results(report)
    table = _table(f"Tuning alone, on {wording.questions(report)}")
    table.add_column("")
    for metric in COLUMNS:
        table.add_column(wording.METRIC_NAMES[metric], justify="right")
    for name in SYSTEMS:
        table.add_row(wording.SYSTEM_NAMES[name], *(f"{figures.means(name)[metric]:.3f}" for metric in COLUMNS))
    table.add_section()
    differences = [figures.difference[metric] for metric in COLUMNS]
    table.add_row("tuned \u2212 base", *(_styled(difference.mean, difference) for difference in differences))
    table.add_row("95 % from", *(_styled(difference.low, difference) for difference in differences))
    table.add_row("     to", *(_styled(difference.high, difference) for difference in differences))
    table.caption = escape(advice.two_sets(report))
    return table


def _table(title: str, lines: box.Box = box.HEAVY_HEAD) -> Table:
    """Makes an empty table under a title."""
    return Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        caption_style="",
        box=lines,
        pad_edge=lines is not box.SIMPLE_HEAD,
        collapse_padding=lines is box.SIMPLE_HEAD,
    )


def _styled(value: float, difference: DifferenceFigures) -> str:
    """Returns a bound or a mean in the looks of the difference that it belongs to."""
    text, style = wording.signed(value), STYLES[wording.trend_of(difference)]
    return f"[{style}]{text}[/{style}]" if style else text
