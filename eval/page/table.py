"""The table that a run ends with, on the terminal.

In: a Report. Out: a rich table: BM25, base, tuned, and tuned minus base with its interval. Differences are coloured
only where the interval leaves zero out.
"""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from eval import wording
from eval.report import Report
from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.metrics import METRICS
from eval.significance import DifferenceFigures

COLUMNS = METRICS[:6]
"""The metrics that fit the width of a terminal."""
STYLES = {"better": "bold green", "worse": "bold red", "unclear": ""}
"""The looks of a difference, by its trend."""


def summary_table(report: Report) -> Table:
    """Makes a table with the rows BM25, base, tuned, difference and its 95 % interval, and a column per metric.

    It fits a terminal of 80 columns.
    """
    _, figures = wording.shown_results(report)
    table = Table(
        title=escape(wording.questions(report)), title_justify="left", title_style="bold", caption_justify="left"
    )
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
    table.caption = escape(wording.advice_with_reason(report))
    return table


def _styled(value: float, difference: DifferenceFigures) -> str:
    """Returns a bound or a mean in the looks of the difference that it belongs to."""
    text, style = wording.signed(value), STYLES[wording.trend_of(difference)]
    return f"[{style}]{text}[/{style}]" if style else text
