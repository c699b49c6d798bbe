"""Shows for `synthmill search RUN "question"` what the chosen system finds, and why each passage is there.

In: the systems of a run, the weight of words, and a question. Out: a rich table: beside each passage its score and rank
by meaning and by words, the terms of the question that it has, and where the other model had it. Vectors and the index
of words were written before, so that only the question is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.markup import escape
from rich.table import Table

from engine.artifacts.documents import passage_text
from engine.search.bm25 import Bm25Index
from engine.search.fusion import FusedSystem, Part
from engine.search.order import Rows, Scores, id_ranks
from engine.search.systems import Bm25System, DenseSystem
from eval.page.side_by_side import EXCERPT_CHARACTERS
from eval.page.texts import excerpt
from eval.retrieval.corpus import Corpus


@dataclass(frozen=True)
class Words:
    """Search by words, as the system has it.

    Attributes:
        index: the index of BM25.
        weight: the weight of words, above 0.
        terms_of: gives the terms of a text as BM25 reads it.
    """

    index: Bm25Index
    weight: float
    terms_of: Callable[[str], Sequence[str]]

    def in_common(self, question: str, text: str) -> list[str]:
        """Returns the terms of a question that a text has, each once."""
        present = set(self.terms_of(text))
        return [term for term in dict.fromkeys(self.terms_of(question)) if term in present]


@dataclass(frozen=True)
class Placed:
    """Where one search has a passage: its score, and its 1-based rank among all passages."""

    score: float
    rank: int


@dataclass(frozen=True)
class Explained:
    """One passage that the chosen system found.

    Attributes:
        row: row of the passage in the corpus.
        score: that of the chosen system.
        meaning: by the model of the system.
        words: by BM25; None where words do not count.
        terms: the terms of the question that the passage has, in the order of the question.
        other_rank: 1-based rank with the other model.
    """

    row: int
    score: float
    meaning: Placed
    words: Placed | None
    terms: Sequence[str]
    other_rank: int


@dataclass(frozen=True, eq=False)
class Searches:
    """The system of a run, and what it is made of.

    Attributes:
        corpus: the passages.
        words: search by words; None where meaning alone counts.
        model: the model of the system, base or tuned.
        other: the other one of the two.
    """

    corpus: Corpus
    words: Words | None
    model: DenseSystem
    other: DenseSystem

    def explain(self, question: str, k: int) -> list[Explained]:
        """Finds the `k` best passages, fewer where no more are found, and what each search says of them."""
        words, corpus = self.words, self.corpus
        weight = words.weight if words else 0.0
        parts = [Part(Bm25System(words.index), weight)] if words else []
        system = FusedSystem("chosen", [*parts, Part(self.model, 1 - weight)], corpus.ranks_of_ids)
        [found], [scores] = system.prepare([question])(k)
        rows = found[found >= 0]
        texts = [passage_text(corpus.titles[row], corpus.texts[row]) for row in rows.tolist()]
        columns = zip(
            rows.tolist(),
            scores[found >= 0].tolist(),
            _placed_by_meaning(self.model, question, rows),
            _placed_by_words(words.index, question, rows) if words else [None] * len(rows),
            [words.in_common(question, text) if words else [] for text in texts],
            [placed.rank for placed in _placed_by_meaning(self.other, question, rows)],
            strict=True,
        )
        return [Explained(*column) for column in columns]


def explained_table(searches: Searches, question: str, k: int, by: str) -> Table:
    """Searches, and makes a table of passages and reasons.

    Args:
        searches: what to search with.
        question: what to search for; the title.
        k: number of passages.
        by: the system in words, for the caption.
    """
    table = Table(title=escape(question), title_style="bold", show_lines=True, expand=True)
    table.caption = f"searched by {escape(by)}"
    table.add_column("#", justify="right")
    table.add_column("passage", ratio=3)
    table.add_column("why", ratio=2)
    names = searches.model.name, searches.other.name
    for number, hit in enumerate(searches.explain(question, k), start=1):
        table.add_row(str(number), _passage(searches.corpus, hit.row), _why(hit, names))
    return table


def _passage(corpus: Corpus, row: int) -> str:
    title, text = corpus.titles[row], corpus.texts[row]
    start = text if not title or text.startswith(title) else f"{title}: {text}"
    return f"[bold]{escape(corpus.passage_ids[row])}[/bold]\n{escape(excerpt(start, EXCERPT_CHARACTERS))}"


def _why(hit: Explained, names: tuple[str, str]) -> str:
    """Says what each search thinks of a passage, in a line each."""
    model, other = names
    lines = [f"score {hit.score:.3f}", f"meaning ({model}) {hit.meaning.score:.3f}, #{hit.meaning.rank:,}"]
    if hit.words:
        terms = escape(", ".join(hit.terms))
        lines.append(f"words {hit.words.score:.2f}, #{hit.words.rank:,}: {terms}" if terms else "words: none in common")
    when = "before" if other == "base" else "after"
    return "\n".join([*lines, f"[dim]{when} tuning ({other}): #{hit.other_rank:,}[/dim]"])


def _placed_by_meaning(system: DenseSystem, question: str, rows: Rows) -> list[Placed]:
    vector = system.encoder.encode_queries([question])
    scores = np.asarray(system.index.vectors[rows], np.float64) @ vector[0].astype(np.float64)
    ranks = system.index.rank_of(np.repeat(vector, len(rows), axis=0), rows)
    return [Placed(score, rank) for score, rank in zip(scores.tolist(), ranks.tolist(), strict=True)]


def _placed_by_words(index: Bm25Index, question: str, rows: Rows) -> list[Placed]:
    scores: Scores = index.scores(question)
    order = id_ranks(index.ids)
    placed = []
    for row in rows.tolist():
        is_tied_before = (scores == scores[row]) & (order < order[row])
        placed.append(Placed(float(scores[row]), 1 + int((scores > scores[row]).sum() + is_tied_before.sum())))
    return placed
