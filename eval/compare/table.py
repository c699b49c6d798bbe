"""A comparison of runs on the terminal, in 80 columns.

In: a Comparison. Out: rich tables: quality on each shared set of queries, data, and the settings that differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.markup import escape
from rich.table import Table

from eval import wording
from eval.compare.figures import Comparison, SharedQueries
from eval.compare.page import described, name_of, notes, shown_p, shown_row, shown_run
from eval.page.table import STYLES
from eval.page.texts import excerpt
from eval.retrieval.metrics import HEADLINE

SHOWN_SETTINGS = 15
"""The settings that the terminal shows; the page has all."""
_VALUE_CHARACTERS = 60


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """Makes the tables in the order in which they are read."""
    for queries in comparison.shared:
        yield _quality(queries, comparison.advised)
    yield _data(comparison)
    if comparison.settings:
        yield _settings(comparison)


def _table(title: str) -> Table:
    return Table(title=escape(title), title_justify="left", title_style="bold", caption_justify="left", box=box.SIMPLE)


def _quality(queries: SharedQueries, advised: Mapping[str, str]) -> Table:
    table = _table(described(queries))
    table.add_column("")
    table.add_column("run", overflow="fold")
    for heading in ("nDCG@10", "difference [95 %]", "p, Holm"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in queries.rows:
        for run, means in row.means.items():
            cells = [name_of(row.system) if run not in row.to_first else "", shown_run(row, run)]
            difference, p = "", ""
            if paired := row.to_first.get(run):
                style = STYLES[paired.trend]
                text = wording.with_interval(paired.difference)
                difference, p = f"[{style}]{escape(text)}[/{style}]" if style else escape(text), shown_p(paired)
            table.add_row(*map(escape, cells), f"{means[HEADLINE]:.3f}", difference, p)
    table.caption = escape(" ".join(notes(queries, advised))) or None
    return table


def _data(comparison: Comparison) -> Table:
    table = _table("Data")
    table.add_column("")
    for run in comparison.runs:
        table.add_column(escape(run), justify="right", overflow="fold")
    for name, values in comparison.data.items():
        if any(values.values()):
            table.add_row(escape(name), *shown_row(values))
    return table


def _settings(comparison: Comparison) -> Table:
    table = _table("Settings that differ")
    table.add_column("", overflow="fold")
    for run in comparison.runs:
        table.add_column(escape(run), overflow="fold")
    for key, values in list(comparison.settings.items())[:SHOWN_SETTINGS]:
        cells = ("\u2013" if value is None else excerpt(value, _VALUE_CHARACTERS) for value in values.values())
        table.add_row(escape(key), *map(escape, cells))
    if (rest := len(comparison.settings) - SHOWN_SETTINGS) > 0:
        table.caption = f"and {rest:,} more, on the page"
    return table
