"""A comparison of chunk sizes on the terminal.

In: a ChunkSizes. Out: a rich table of 80 columns.
"""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from eval.chunk_sizes.figures import ChunkSizes, Reached
from eval.chunk_sizes.words import (
    doubt_sentence,
    flat_sentence,
    limit_sentence,
    main_set,
    megabytes,
    milliseconds,
    queries_of,
)
from eval.retrieval.metrics import HEADLINE
from eval.sweeps.names import system_name


def chunk_sizes_table(figures: ChunkSizes) -> Table:
    """Makes a table of every size, with nDCG@10 of every system, in 80 columns; the caption says where it is flat."""
    curves = main_set(figures)
    table = Table(
        title=f"nDCG@10 on {escape(queries_of(curves))}", title_justify="left", title_style="bold", box=box.SIMPLE
    )
    table.caption_justify = "left"
    for heading in ("tokens", "overlap", "chunks", "index MB", "ms"):
        table.add_column(heading, justify="right")
    for system in curves.systems:
        table.add_column(system_name(system), justify="right")
    for number, size in enumerate(figures.sizes):
        levels = (_styled(curve.sizes[number], number == curve.flat) for curve in curves.systems.values())
        cells = (size.tokens, size.overlap_tokens, size.passages)
        table.add_row(*(f"{cell:,}" for cell in cells), megabytes(size), milliseconds(size, "base_words"), *levels)
    sentences = [flat_sentence(figures, curves, system) for system in curves.systems]
    table.caption = escape("\n".join(filter(None, [*sentences, doubt_sentence(figures), limit_sentence(figures)])))
    return table


def _styled(reached: Reached, is_flat: bool) -> str:
    text = f"{reached.means[HEADLINE]:.3f}"
    if is_flat:
        return f"[bold green]{text}[/bold green]"
    return f"[red]{text}[/red]" if reached.is_worse else text
