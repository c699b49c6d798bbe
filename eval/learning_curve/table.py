"""A learning curve on the terminal.

In: a LearningCurve. Out: a rich table of 80 columns.
"""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from eval import wording
from eval.learning_curve.figures import LearningCurve
from eval.learning_curve.words import engine_time, enough_sentence, main_set, next_sentence, queries_of
from eval.page.table import STYLES
from eval.significance import DifferenceFigures


def learning_curve_table(figures: LearningCurve) -> Table:
    """Makes a table of every number of examples, in 80 columns; the caption says from where on more stop helping."""
    curves = main_set(figures)
    table = Table(
        title=f"nDCG@10 on {escape(queries_of(curves))}", title_justify="left", title_style="bold", box=box.SIMPLE
    )
    table.caption_justify = "left"
    gain = "over row\nbefore"
    headings = ("examples", "samples", f"{figures.processor} time", "tuned", gain, "with words", gain)
    for heading in headings:
        table.add_column(heading, justify="right")
    for at, effort in enumerate(figures.efforts):
        cells = [f"{effort.examples:,}", f"{effort.samples:,}", engine_time(effort)]
        for curve in curves.systems.values():
            level = curve.levels[at]
            text = f"{level.mean:.3f}"
            cells += [f"[bold green]{text}[/bold green]" if at == curve.enough else text, _styled(level.gain)]
        table.add_row(*cells)
    sentences = [enough_sentence(figures, curves, system) for system in curves.systems]
    table.caption = escape("\n".join([*sentences, next_sentence(figures)]))
    return table


def _styled(gain: DifferenceFigures | None) -> str:
    if gain is None:
        return ""
    text, style = wording.signed(gain.mean), STYLES[wording.trend_of(gain)]
    return f"[{style}]{text}[/{style}]" if style else text
