"""Shows for `synthmill search RUN "question"` what the chosen system finds, and why each passage is there.

In: the systems of a run, the weight of words, filters and boosts, and a question. Out: a rich table: beside each
passage its score and rank by meaning and by words, the terms of the question that it has, what boosts did, and where
the other model had it. Vectors and the index of words were written before: only the question is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.markup import escape
from rich.table import Table

from engine.artifacts.documents import passage_text
from engine.search.bm25 import Bm25Index
from engine.search.fusion import FusedSystem, Part
from engine.search.metadata import BOOST, WHERE, Metadata, with_metadata
from engine.search.order import Rows, Scores, id_ranks
from engine.search.reranked import PairScorer, RerankedSystem
from engine.search.systems import Bm25System, DenseSystem, System
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
class Reranker:
    """What orders the first passages once more."""

    scorer: PairScorer
    depth: int


@dataclass(frozen=True, eq=False)
class Asked:
    """What a person asks for beside the question: which passages may be found, and which of them count more.

    Attributes:
        metadata: what is known of the passages; None where nothing is asked for.
        where: conditions that a passage has to meet, see `engine.search.metadata`.
        boost: boosts.
    """

    metadata: Metadata | None = None
    where: Sequence[str] = ()
    boost: Sequence[str] = ()

    def check(self) -> None:
        """Refuses what cannot be meant, before anything is loaded.

        Raises:
            UserError: a condition or a boost is wrong.
        """
        if self.metadata:
            self.metadata.allowed(self.where)
            self.metadata.factors(self.boost)

    def of(self, system: System, ranks_of_ids: Rows) -> System:
        """Narrows and boosts a system; it stays as it is where nothing is asked for."""
        return with_metadata(system, self.metadata, ranks_of_ids, self.where, self.boost) if self.metadata else system

    def factors(self, rows: Rows) -> list[float | None]:
        """Returns what each passage counts by all boosts, (rows,); None where there are none."""
        if not self.boost or not self.metadata:
            return [None] * len(rows)
        return list(self.metadata.factors(self.boost)[rows].tolist())

    def in_words(self) -> list[str]:
        """Says what was asked for, and how many passages it leaves."""
        said = []
        if self.where and self.metadata:
            is_allowed = self.metadata.allowed(self.where)
            conditions = " ".join(f"{WHERE}.{condition}" for condition in self.where)
            said.append(f"{conditions}: {int(is_allowed.sum()):,} of {len(is_allowed):,} passages")
        return [*said, *(f"{BOOST}.{boost}" for boost in self.boost)]


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
        factor: what boosts multiply it by; None where there are none.
    """

    row: int
    score: float
    meaning: Placed
    words: Placed | None
    terms: Sequence[str]
    other_rank: int
    factor: float | None


@dataclass(frozen=True, eq=False)
class Searches:
    """The system of a run, and what it is made of.

    Attributes:
        corpus: the passages.
        words: search by words; None where meaning alone counts.
        model: the model of the system, base or tuned.
        other: the other one of the two.
        reranker: what orders the first passages once more; None where nothing does.
        asked: filters and boosts.
    """

    corpus: Corpus
    words: Words | None
    model: DenseSystem
    other: DenseSystem
    reranker: Reranker | None = None
    asked: Asked = field(default_factory=Asked)

    def explain(self, question: str, k: int) -> list[Explained]:
        """Finds the `k` best passages, fewer where no more are found, and what each search says of them."""
        words, corpus = self.words, self.corpus
        [found], [scores] = self._system().prepare([question])(k)
        rows = found[found >= 0]
        texts = [passage_text(corpus.titles[row], corpus.texts[row]) for row in rows.tolist()]
        columns = zip(
            rows.tolist(),
            scores[found >= 0].tolist(),
            _placed_by_meaning(self.model, question, rows),
            _placed_by_words(words.index, question, rows) if words else [None] * len(rows),
            [words.in_common(question, text) if words else [] for text in texts],
            [placed.rank for placed in _placed_by_meaning(self.other, question, rows)],
            self.asked.factors(rows),
            strict=True,
        )
        return [Explained(*column) for column in columns]

    def _system(self) -> System:
        """Makes the system of the run, over the passages that may be found."""
        words, corpus = self.words, self.corpus
        weight = words.weight if words else 0.0
        parts = [Part(Bm25System(words.index), weight)] if words else []
        meaning = [Part(self.model, 1 - weight)] if weight < 1 else []
        system: System = FusedSystem("chosen", [*parts, *meaning], corpus.ranks_of_ids)
        if self.reranker:
            scorer, depth = self.reranker.scorer, self.reranker.depth
            system = RerankedSystem("reranked", system, scorer, corpus.encoded_texts(), corpus.ranks_of_ids, depth)
        return self.asked.of(system, corpus.ranks_of_ids)


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
    boosted = "" if hit.factor is None else f", boosted by {hit.factor:.2f}"
    lines = [f"score {hit.score:.3f}{boosted}", f"meaning ({model}) {hit.meaning.score:.3f}, #{hit.meaning.rank:,}"]
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
