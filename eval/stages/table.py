"""Several models on the terminal.

In: the figures of all of them. Out: one rich table, of 80 columns where its names are short.
"""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from eval.page.table import STYLES
from eval.stages.figures import HELD_OUT, PAIRS, QUESTIONS, TRAIN, SetFigures, Stages
from eval.stages.words import best_sentence, cell, counted, metric_name, metrics_of, time_of_questions, words_sentence
from eval.wording import trend_of

_SIDES = {HELD_OUT: "held", TRAIN: "train"}


def stages_table(figures: Stages) -> Table:
    """Makes the table of all models: a row for each, held-out figures beside those of the training side.

    Of graded pairs the held-out side is shown only. A figure is coloured where the model is significantly better, or
    worse, than the one that it goes on from.
    """
    shown = list(_shown(figures))
    table = Table(box=box.SIMPLE, pad_edge=False, title_justify="left", title_style="bold", caption_justify="left")
    table.title = escape("\n".join(counted(part) for part in figures.sets.values()))
    table.add_column("")
    for part, side, metric in shown:
        heading = metric_name(metric)
        table.add_column(f"{heading}\n{_SIDES[side]}" if part.kind == QUESTIONS else heading, justify="right")
    is_searched = any(part.kind == QUESTIONS for part in figures.sets.values())
    if is_searched:
        table.add_column("1,000\nquestions", justify="right")
    for stage in figures.stages:
        cells = [_styled(part, side, stage.name, metric) for part, side, metric in shown]
        times = [time_of_questions(stage)] if is_searched else []
        table.add_row(escape(stage.name), *cells, *times)
    table.caption = escape("\n".join(filter(None, [best_sentence(figures), words_sentence(figures)])))
    return table


def _shown(figures: Stages) -> list[tuple[SetFigures, str, str]]:
    """Returns the columns: set, side and metric."""
    columns = []
    for part in figures.sets.values():
        sides = [HELD_OUT] if part.kind == PAIRS else [HELD_OUT, TRAIN]
        columns += [(part, side, metric) for metric in metrics_of(figures, part) for side in sides]
    return columns


def _styled(part: SetFigures, side: str, model: str, metric: str) -> str:
    text, level = cell(part, side, model, metric), part.levels.get(side, {}).get(model, {}).get(metric)
    style = STYLES[trend_of(level.difference)] if level and level.difference else ""
    return f"[{style}]{text}[/{style}]" if style else text
