"""The queries that one run answers better than another, with their texts.

In: two finished runs and the queries that both measured. Out: the largest gains and losses in nDCG@10, each with the
relevant document that the better of the two found. nDCG@10 is what the query counts in the reports, cross-fitted where
they say so; ranks are of the weight that all queries chose. Only the passages that are shown are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.artifacts.documents import DocumentsFolder, passage_text
from eval.compare.runs import ComparedRun, Query, Reached
from eval.page.changed import ChangedQuery, moved_most
from eval.page.texts import excerpt
from eval.retrieval.metrics import HEADLINE

SHOWN = 8
"""The gains, and the losses, that are shown of each pair of runs."""


@dataclass(frozen=True)
class Wins:
    """The queries that gained and lost most in a run beside the first, and how many did."""

    run: str
    """The name of the other run."""
    better: Sequence[ChangedQuery]
    worse: Sequence[ChangedQuery]
    num_better: int
    num_worse: int
    num_same: int


def find_wins(first: ComparedRun, other: ComparedRun, kind: str, queries: Sequence[Query]) -> Wins | None:
    """Finds the largest gains and losses between the systems that two runs advise.

    Args:
        first: the run that is compared with.
        other: the other one.
        kind: the set of queries.
        queries: those that both measured.

    Returns:
        The queries; None where an advised system was not measured on this set.
    """
    reached = [run.sets[kind].reached.get(run.advised) for run in (first, other)]
    before, after = reached
    if before is None or after is None:
        return None
    gains = np.array([after[query].counts(HEADLINE) - before[query].counts(HEADLINE) for query in queries])
    changed = moved_most(gains)

    def moved(rows: Sequence[int]) -> list[ChangedQuery]:
        pairs = [(queries[row].text, before[queries[row]], after[queries[row]]) for row in rows]
        return [_moved(*pair, (first, other)) for pair in pairs]

    return Wins(
        other.name,
        moved(changed.better[:SHOWN]),
        moved(changed.worse[:SHOWN]),
        len(changed.better),
        len(changed.worse),
        changed.num_same,
    )


def _moved(text: str, before: Reached, after: Reached, runs: tuple[ComparedRun, ComparedRun]) -> ChangedQuery:
    ranked = [(reached.best_rank, number) for number, reached in enumerate((before, after)) if reached.best_rank]
    document, passage = "", ""
    if ranked:
        number = min(ranked)[1]
        document = (before, after)[number].best_document
        passage = _first_passage(runs[number], document)
    return ChangedQuery(
        text,
        document,
        passage,
        before.best_rank,
        after.best_rank,
        before.counts(HEADLINE),
        after.counts(HEADLINE),
    )


def _first_passage(run: ComparedRun, document: str) -> str:
    """Returns the start of a document that the run ranked; its first passage has the document's id."""
    row = DocumentsFolder(run.folder / "documents").passage(document)
    return excerpt(passage_text(row["title"], row["text"]))
