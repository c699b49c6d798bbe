"""The section of report.html on a log of queries: what people ask, and how far the systems agree on it.

In: the figures of a log. Out: what templates/query_log.html shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval import advice, wording
from eval.query_log import DEPTH, FirstPassage, LogFigures
from eval.report import Report


@dataclass(frozen=True)
class AgreementRow:
    """Two systems, and how far they agree, in words."""

    systems: str
    common: str
    same_first: str


@dataclass(frozen=True)
class ShownQuery:
    """A query, and what each system finds first, by the name of the system."""

    query: str
    first: Sequence[tuple[str, FirstPassage]]


@dataclass(frozen=True)
class LogSection:
    """All that the section shows."""

    path: str
    queries: int
    likeness: str
    depth: int
    agreement: Sequence[AgreementRow]
    shown: Sequence[ShownQuery]


def log_section(report: Report) -> LogSection | None:
    """Returns the section of a report; None where it has no log."""
    log = report.query_log
    if log is None:
        return None
    return LogSection(
        path=log.path,
        queries=log.figures.queries,
        likeness=_likeness(log, report),
        depth=DEPTH,
        agreement=[
            AgreementRow(
                f"{_name(pair.first)} and {_name(pair.second)}",
                wording.share(pair.common, 1),
                wording.share(pair.same_first, 1),
            )
            for pair in log.agreement
        ],
        shown=[ShownQuery(each.query, [(_name(name), hit) for name, hit in each.first.items()]) for each in log.shown],
    )


def _likeness(log: LogFigures, report: Report) -> str:
    """Says how long the queries are and how many are questions, beside the synthetic ones."""
    people, kept = log.figures.words, report.data_quality.kept.words
    sentence = f"Half of them have {people.p50} words or fewer, one in twenty more than {people.p95}"
    if kept.p50 is not None:
        sentence += f" (kept synthetic queries: {kept.p50} and {kept.p95})"
    sentence += f"; {wording.share(log.questions, 1)} are questions, the others keywords"
    if log.synthetic_questions is not None:
        sentence += f" (held-out synthetic queries: {wording.share(log.synthetic_questions, 1)})"
    return f"{sentence}."


def _name(system: str) -> str:
    return advice.system_name(system)
