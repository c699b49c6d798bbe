"""Shows for `synthmill search RUN "question"` what base and tuned find for one question, side by side.

In: a run folder and a question. Out: a rich table of passages. The vectors of the passages are in the cache, where
curation and the report put them, so only the question is encoded. Beside each result of the tuned model stands where
the base model had it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from engine.artifacts.report import ReportFolder
from engine.errors import UserError
from engine.search.encoder import EncoderConfig
from engine.search.systems import DenseSystem
from engine.search.tuned import reported_tuned_encoder
from eval.page.texts import excerpt
from eval.report import read_report
from eval.retrieval.corpus import Corpus

EXCERPT_CHARACTERS = 120
"""The characters that are shown of a passage."""


@dataclass(frozen=True)
class Hit:
    """One passage that a model found.

    Attributes:
        row: row of the passage in the corpus.
        score: cosine of the question and the passage, -1 to 1.
        other_rank: 1-based rank of the passage with the other model.
    """

    row: int
    score: float
    other_rank: int


def encoders_of(run_dir: Path) -> tuple[EncoderConfig, EncoderConfig]:
    """Returns the base and the tuned encoder of a run, as its report measured them.

    Raises:
        UserError: the run has no report yet.
    """
    if not ReportFolder(run_dir / "report").report_file.is_file():
        remedy = "run it to its end, or name another run"
        raise UserError("has no finished report", where=f"run {run_dir}", remedy=remedy)
    settings = read_report(run_dir / "report").settings
    return settings.encoder, reported_tuned_encoder(settings.encoder, settings.tuned, (run_dir / "model").resolve())


def find_hits(systems: list[DenseSystem], question: str, k: int) -> list[list[Hit]]:
    """Finds the `k` best passages of each of the two systems, and where the other one ranks them."""
    vectors = [system.encoder.encode_queries([question]) for system in systems]
    hits = []
    for number, other in ((0, 1), (1, 0)):
        rows, scores = systems[number].index.search(vectors[number], k)
        other_ranks = systems[other].index.rank_of(np.repeat(vectors[other], rows.shape[1], axis=0), rows[0])
        passages = zip(rows[0], scores[0], other_ranks, strict=True)
        hits.append([Hit(int(row), float(score), int(rank)) for row, score, rank in passages])
    return hits


def results_table(question: str, corpus: Corpus, hits: list[list[Hit]], model: str) -> Table:
    """Makes a table of two columns of passages: score, id, first words, and the rank with the other model.

    Args:
        question: the title of the table.
        corpus: the passages that were searched.
        hits: what `find_hits` gave for base and for tuned.
        model: the one that the report says to use.
    """
    table = Table(title=escape(question), title_style="bold", show_lines=True, expand=True)
    table.add_column("#", justify="right")
    for name in ("base", "tuned"):
        chosen = " (the one to use)" if model == name else ""
        table.add_column(f"{name}{chosen}", ratio=1)
    for rank, (base, tuned) in enumerate(zip(*hits, strict=True), start=1):
        table.add_row(str(rank), _cell(corpus, base, rank, "tuned"), _cell(corpus, tuned, rank, "base"))
    return table


def _cell(corpus: Corpus, hit: Hit, rank: int, other: str) -> str:
    moved = "" if hit.other_rank == rank else f"  [dim]{other}: #{hit.other_rank:,}[/dim]"
    title, text = corpus.titles[hit.row], corpus.texts[hit.row]
    start = text if not title or text.startswith(title) else f"{title}: {text}"
    words = escape(excerpt(start, EXCERPT_CHARACTERS))
    return f"{hit.score:.3f}  [bold]{escape(corpus.passage_ids[hit.row])}[/bold]{moved}\n{words}"
