"""What queries of people show that nobody has judged: their form, and how far the systems of a run agree on them.

In: a log of queries, the systems, the passages. Out: figures that need no judgements, and some queries with what each
system finds first. Where systems agree, a choice between them changes little; where they do not, people see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.artifacts.documents import passage_text
from engine.queries.log import draw_from_log, find_log
from engine.queries.traits import QUESTION, form_of
from engine.search.order import Rows
from engine.search.systems import System
from eval.counting import counting
from eval.data_quality.queries import QueryFigures, describe_queries
from eval.retrieval.corpus import Corpus

if TYPE_CHECKING:
    from engine.runtime.console import Console
    from eval.config import ReportConfig

MEASURED = 400
"""Most queries of a log that systems are compared on, drawn by a hash of their words."""
DEPTH = 10
"""The passages of each system that are compared."""
SHOWN = 6
"""Number of queries that are shown with what each system finds first."""
_CHARACTERS = 200
"""The characters that are shown of a passage."""


@dataclass(frozen=True)
class Agreement:
    """How far two systems find the same."""

    first: str
    second: str
    common: float
    """Mean share of the first `DEPTH` passages that both find."""
    same_first: float
    """Share of queries for which both have the same passage first."""


@dataclass(frozen=True)
class FirstPassage:
    """What a system finds first."""

    passage_id: str
    text: str
    """Its beginning, after the title."""


@dataclass(frozen=True)
class LogQuery:
    """A query of the log, and the passage that each system finds first."""

    query: str
    first: Mapping[str, FirstPassage]
    """By system; a system that finds nothing is not there."""


@dataclass(frozen=True)
class LogFigures:
    """What a log of queries shows."""

    path: str
    """The log, as it was named."""
    figures: QueryFigures
    """Of the queries that were drawn."""
    questions: float
    """Share of them that are questions; the others are keywords."""
    synthetic_questions: float | None
    """The same share of held-out synthetic queries; None where there are none."""
    agreement: Sequence[Agreement]
    """One of each pair of systems."""
    shown: Sequence[LogQuery]
    """Some queries: the first of the draw."""


def log_queries(config: ReportConfig, limit: int = MEASURED) -> list[str]:
    """Returns distinct queries of the log that the config names, in the order of their draw; none without a log.

    Args:
        config: `queries` names the log, and `seed` is that of the draw.
        limit: most queries to take.

    Raises:
        UserError: the log cannot be read, or holds no query.
    """
    return list(draw_from_log(find_log(config.queries), limit, config.seed).values()) if config.queries else []


def describe_log(
    config: ReportConfig,
    systems: Sequence[System],
    corpus: Corpus,
    synthetic: Sequence[str],
    *,
    console: Console | None = None,
) -> LogFigures | None:
    """Measures what the log of a config shows; None without one.

    Args:
        config: names the log.
        systems: those that are compared.
        corpus: the passages that they search.
        synthetic: texts of held-out synthetic queries.
        console: is told how many systems have searched; None tells nobody.
    """
    texts = log_queries(config)
    if not texts:
        return None
    found = {}
    with counting(console, len(systems), "systems (queries of the log)") as advance:
        for system in systems:
            found[system.name] = system.prepare(texts)(DEPTH)[0]
            advance()
    return LogFigures(
        path=config.queries,
        figures=describe_queries(texts),
        questions=_questions(texts),
        synthetic_questions=_questions(synthetic) if synthetic else None,
        agreement=[compare(pair, found) for pair in itertools.combinations(found, 2)],
        shown=[
            LogQuery(
                text, {name: _passage(corpus, rows[number, 0]) for name, rows in found.items() if rows[number, 0] >= 0}
            )
            for number, text in enumerate(texts[:SHOWN])
        ],
    )


def compare(pair: tuple[str, str], found: Mapping[str, Rows]) -> Agreement:
    """Compares what two systems find.

    Args:
        pair: their names.
        found: rows of the first passages of each query, best first, by system; -1 where there are fewer.
    """
    first, second = (found[name] for name in pair)
    common = [
        len(np.intersect1d(rows[rows >= 0], others[others >= 0])) / max(1, min((rows >= 0).sum(), (others >= 0).sum()))
        for rows, others in zip(first, second, strict=True)
    ]
    same_first = float(np.mean(first[:, 0] == second[:, 0]))
    return Agreement(*pair, common=round(float(np.mean(common)), 4), same_first=round(same_first, 4))


def _passage(corpus: Corpus, row: int) -> FirstPassage:
    text = " ".join(passage_text(corpus.titles[row], corpus.texts[row]).split())
    return FirstPassage(
        corpus.passage_ids[row], text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS].rstrip()} …"
    )


def _questions(texts: Sequence[str]) -> float:
    return round(sum(form_of(text) == QUESTION for text in texts) / len(texts), 4)
