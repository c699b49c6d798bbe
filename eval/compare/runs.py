"""One finished run as a comparison reads it: its report, its settings, and what each query reached.

In: a run folder. Out: a ComparedRun. A query is known by its text and its judgements, not by its id: the ids of
synthetic queries are numbers of a plan, and another run may have numbered the same query otherwise. What a query counts
is what it counts in the report: where the figures of a system are cross-fitted there, the cross-fitted value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from engine.errors import UserError
from engine.search.cross_encoder import TRAINED
from engine.storage.digests import digest
from engine.storage.run_folders import config_file, read_earlier, require
from engine.storage.typed import flatten
from eval.advice import is_crossfitted, weight_of_words
from eval.crossfit import COLUMN
from eval.report import HELD_OUT, JUDGED, KIND, UNIT, Report, read_report
from eval.retrieval.metrics import HEADLINE, METRICS
from eval.retrieval.trec import read_qrels
from eval.systems import reranked_name

SETS = (JUDGED, HELD_OUT)
"""The sets of queries that a report may have figures of."""
_LEFT_OUT = ("name", "run_dir", "runs_dir", "until", "preview", "sample", "samples.output")
"""Settings that say nothing of a result: names, places, and where to stop."""
_COLUMNS = ("collection", "query_id", "query", "system", "best_rank", "best_document", *METRICS, COLUMN, UNIT, KIND)


@dataclass(frozen=True, order=True)
class Query:
    """What makes a query the same in two runs."""

    text: str
    judgements: str
    """The digest of its judgements, which are grades by document."""
    occurrence: int
    """The number of earlier queries of the set with the same text and judgements."""


@dataclass(frozen=True)
class Reached:
    """What one query reached with one system."""

    values: Mapping[str, float]
    """The values by metric, with the weight of words that all queries chose."""
    best_rank: int
    """The rank of the first relevant document; 0: not ranked."""
    best_document: str
    """That document; "" where there is none."""
    crossfitted: float | None = None
    """The headline metric with what was chosen without the query; None where the report's figure is of `values`."""

    def counts(self, metric: str) -> float:
        """Returns the value that the report's figure of a metric is the mean of."""
        return self.values[metric] if metric != HEADLINE or self.crossfitted is None else self.crossfitted


@dataclass(frozen=True)
class QuerySet:
    """The queries of one set of a run, and what each reached.

    Attributes:
        name: the name of their collection.
        reached: what each query reached, by system and query.
        sources: the document that a synthetic query was written from, copies being one where the report says it, by
            query; empty for those of people.
        knows_copies: whether the report says which documents are copies, as older ones do not.
    """

    name: str
    reached: Mapping[str, Mapping[Query, Reached]]
    sources: Mapping[Query, str]
    knows_copies: bool = True

    @property
    def queries(self) -> set[Query]:
        """The queries that every system was asked."""
        return set.intersection(*(set(reached) for reached in self.reached.values())) if self.reached else set()

    def is_crossfitted(self, system: str) -> bool:
        """Tells whether what queries count for a system is cross-fitted."""
        return any(reached.crossfitted is not None for reached in self.reached[system].values())


@dataclass(frozen=True)
class ComparedRun:
    """A finished run.

    Attributes:
        name: what it is called beside others; unique among these.
        folder: the run folder.
        report: everything in its report.json.
        settings: its config, flat, values as texts.
        sets: its sets of queries, by one of `SETS`; a run without judged questions has one.
    """

    name: str
    folder: Path
    report: Report
    settings: Mapping[str, str]
    sets: Mapping[str, QuerySet]

    @property
    def advised(self) -> str:
        """The name of the system that its report says to search with."""
        known = self.report.recommendation
        if known is None or known.choice is None:
            return self.report.decision.model
        name, gain = known.choice.system, known.reranker
        return reranked_name(name, gain.depth, TRAINED) if gain and gain.is_recommended else name

    @property
    def is_flattered(self) -> bool:
        """Tells whether the report has cross-fitted figures, but not what each query counts for them."""
        known = self.report.recommendation
        if not known or not any(is_crossfitted(known, name) for name in known.systems):
            return False
        return not any(queries.is_crossfitted(name) for queries in self.sets.values() for name in queries.reached)

    def weight_of(self, system: str) -> float | None:
        """Returns the weight of words that the run's report chose for a system; None where it chose none."""
        known = self.report.recommendation
        return weight_of_words(known, system) if known else None


def read_run(run: str, name: str) -> ComparedRun:
    """Reads a finished run.

    Args:
        run: the run folder, as a user typed it.
        name: what it is called beside others.

    Raises:
        UserError: it is no run folder, it has no finished report, or the report is of an earlier config than the run's.
    """
    folder = Path(run).expanduser()
    report_dir = require(run, "documents", "report")["report"]
    if read_earlier(folder):
        remedy = "run its command again to its end, which makes the new one"
        raise UserError(
            "its report is of an earlier config, and its settings are the new ones", where=run, remedy=remedy
        )
    return ComparedRun(name, folder, read_report(report_dir), _read_settings(folder), _read_sets(report_dir))


def names_of(runs: Sequence[str]) -> list[str]:
    """Returns a short name for each run: the name of its folder, or its path where two folders have one name."""
    short = [Path(run).expanduser().resolve().name for run in runs]
    counts = Counter(short)
    return [name if counts[name] == 1 else run for name, run in zip(short, runs, strict=True)]


def _read_settings(folder: Path) -> dict[str, str]:
    values: dict[str, Any] = yaml.safe_load(config_file(folder).read_text(encoding="utf-8")) or {}
    flat = {name: str(value) for name, value in flatten(values).items()}
    return {name: value for name, value in flat.items() if name not in _LEFT_OUT}


def _read_sets(report_dir: Path) -> dict[str, QuerySet]:
    file = report_dir / "per_query.parquet"
    known = pq.read_schema(file).names  # older reports lack the last columns
    rows = pq.read_table(file, columns=[name for name in _COLUMNS if name in known]).to_pylist()
    sets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name = HELD_OUT if row["collection"] == HELD_OUT else JUDGED  # which older reports go by
        sets.setdefault(row.get(KIND) or by_name, []).append(row)
    folders = {JUDGED: "runs", HELD_OUT: HELD_OUT if JUDGED in sets else "runs"}
    return {
        kind: _query_set(sets[kind], read_qrels(report_dir / folders[kind] / "judgements.qrels"), kind)
        for kind in SETS
        if kind in sets
    }


def _query_set(rows: Sequence[dict[str, Any]], qrels: Mapping[str, Mapping[str, int]], kind: str) -> QuerySet:
    texts = {row["query_id"]: row["query"] for row in rows}
    known: dict[str, Query] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for query_id in sorted(texts):
        text, judgements = texts[query_id], digest(dict(sorted(qrels[query_id].items())))
        known[query_id] = Query(text, judgements, seen[text, judgements])
        seen[text, judgements] += 1
    reached: dict[str, dict[Query, Reached]] = {}
    for row in rows:
        values = {metric: row[metric] for metric in METRICS}
        query = known[row["query_id"]]
        found = Reached(values, row["best_rank"], row["best_document"], row.get(COLUMN))
        reached.setdefault(row["system"], {})[query] = found
    sources = {}
    if kind == HELD_OUT:
        units = {row["query_id"]: row.get(UNIT) for row in rows}
        sources = {query: units[query_id] or next(iter(qrels[query_id])) for query_id, query in known.items()}
    return QuerySet(rows[0]["collection"], reached, sources, knows_copies=UNIT in rows[0])
