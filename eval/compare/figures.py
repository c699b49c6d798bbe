"""The figures of a comparison: what differs between runs, and how sure differences in quality are.

In: finished runs. Out: a Comparison, which `--json` prints and the page and the terminal show. Quality is compared on
the queries that all runs measured, by nDCG@10: every run with the first one, each with the system that its report says
to search with, and system by system. Where a report's figure is cross-fitted, so is this one. Intervals are drawn by
document where queries were written from documents, copies being one as in the reports; p is that of the randomisation
test, corrected by Holm over all comparisons on one set of queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import UserError
from eval.compare.runs import SETS, ComparedRun, Query
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE, METRICS, Floats
from eval.significance import Bootstrap
from eval.sweeps.paired import Paired, compare_differences

ADVISED = "advised"
"""Stands for the system that each run's own report says to search with."""


@dataclass(frozen=True)
class SystemRow:
    """One system, or the advised ones, in all runs."""

    system: str
    """The name of a system, or `ADVISED`."""
    systems: Mapping[str, str]
    """The system of each run, by its name; the same one but for `ADVISED`."""
    means: Mapping[str, Mapping[str, float]]
    """The means over the shared queries, by run and metric; nDCG@10 is cross-fitted for the runs in `seen`."""
    to_first: Mapping[str, Paired]
    """Each other run minus the first, in nDCG@10, by its name."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of words that the report of each run chose for the system, by run; runs without one are left out."""
    seen: Mapping[str, float] = field(default_factory=dict)
    """The nDCG@10 of the system with the weight that all queries chose, these too, by run; only where the mean is
    cross-fitted."""


@dataclass(frozen=True)
class SharedQueries:
    """One set of queries that all runs measured."""

    kind: str
    """One of `SETS`."""
    name: str
    """The name of the collection in the first run."""
    queries: int
    of: Mapping[str, int]
    """The number of queries of this set that each run measured, by its name."""
    cluster: str
    """The unit that intervals take as independent: document, or query."""
    clusters: int
    rows: Sequence[SystemRow]


@dataclass(frozen=True)
class Comparison:
    """Everything that is compared."""

    runs: Mapping[str, str]
    """The folder of each run, by its name, the one that all are compared with first."""
    advised: Mapping[str, str]
    """The system to search with, by run."""
    data: Mapping[str, Mapping[str, float | None]]
    """Figures of the data and what they cost, by figure and run; null where a run did not report it."""
    same_steps: Mapping[str, Sequence[str]]
    """The steps whose result each other run shares with the first, by its name."""
    settings: Mapping[str, Mapping[str, str | None]]
    """The settings that differ, by key and run; null where a run's config lacks the key."""
    shared: Sequence[SharedQueries]
    made_up: Sequence[str] = ()
    """The runs whose samples the fake generator computed."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of words of the system to search with, by run; runs where it has none are left out."""
    flattered: Sequence[str] = ()
    """The runs whose reports have cross-fitted figures, but, being older, not by query: their figures here are not."""


def compare_runs(runs: Sequence[ComparedRun], bootstrap: Bootstrap) -> Comparison:
    """Compares runs with the first of them.

    Raises:
        UserError: there is no query that all of them measured.
    """
    shared = [queries for kind in SETS if (queries := _compare_set(runs, kind, bootstrap))]
    if not shared:
        raise _nothing_shared(runs)
    first = runs[0].report
    return Comparison(
        runs={run.name: str(run.folder) for run in runs},
        advised={run.name: run.advised for run in runs},
        data=_data(runs),
        same_steps={
            run.name: [noun for noun, made in run.report.fingerprints.items() if first.fingerprints.get(noun) == made]
            for run in runs[1:]
        },
        settings=_settings(runs),
        shared=shared,
        made_up=[run.name for run in runs if run.report.samples.is_made_up],
        weights=_weights(runs, {run.name: run.advised for run in runs}),
        flattered=[run.name for run in runs if run.is_flattered],
    )


def shared_queries(runs: Sequence[ComparedRun], kind: str) -> list[Query]:
    """Returns the queries of one set that all runs measured, in an order that hangs on them alone."""
    if any(kind not in run.sets for run in runs):
        return []
    return sorted(set.intersection(*(run.sets[kind].queries for run in runs)))


def values_of(
    run: ComparedRun, kind: str, system: str, queries: Sequence[Query], metric: str = HEADLINE, *, crossfitted: bool
) -> Floats:
    """Returns what each query counts for one system of a run, (queries,); cross-fitted as in its report, if asked."""
    reached = [run.sets[kind].reached[system][query] for query in queries]
    return np.array([each.counts(metric) if crossfitted else each.values[metric] for each in reached], np.float64)


def is_crossfitted_row(runs: Sequence[ComparedRun], kind: str, row: str, names: Mapping[str, str]) -> bool:
    """Tells whether a row is of cross-fitted figures.

    A report has them of what it chose, in which a fold may count another system, and of the others with words. So a
    system that some reports chose, and others did not, is compared as it is, at the weight that all queries chose.
    """
    if row == ADVISED:
        return True
    chosen = {run.advised == names[run.name] for run in runs}
    return len(chosen) == 1 and all(run.sets[kind].is_crossfitted(names[run.name]) for run in runs)


def _compare_set(runs: Sequence[ComparedRun], kind: str, bootstrap: Bootstrap) -> SharedQueries | None:
    queries = shared_queries(runs, kind)
    if not queries:
        return None
    first = runs[0].sets[kind]
    sources = max((run.sets[kind] for run in runs), key=lambda known: known.knows_copies).sources
    clusters = [sources.get(query, f"query {number}") for number, query in enumerate(queries)]
    systems = _rows_of(runs, kind)
    differences: dict[tuple[str, str], Floats] = {}
    for row, names in systems.items():
        fitted = is_crossfitted_row(runs, kind, row, names)
        values = {run.name: values_of(run, kind, names[run.name], queries, crossfitted=fitted) for run in runs}
        differences |= {(row, run.name): values[run.name] - values[runs[0].name] for run in runs[1:]}
    compared = compare_differences(differences, clusters, bootstrap)
    rows = [
        _row(runs, kind, queries, row, names, to_first={run.name: compared[row, run.name] for run in runs[1:]})
        for row, names in systems.items()
    ]
    return SharedQueries(
        kind,
        first.name,
        len(queries),
        {run.name: len(run.sets[kind].queries) for run in runs},
        "document" if kind == HELD_OUT else "query",
        len(set(clusters)),
        rows,
    )


def _row(
    runs: Sequence[ComparedRun],
    kind: str,
    queries: Sequence[Query],
    row: str,
    names: Mapping[str, str],
    *,
    to_first: Mapping[str, Paired],
) -> SystemRow:
    means, seen = {}, {}
    fitted = is_crossfitted_row(runs, kind, row, names)
    for run in runs:
        system = names[run.name]
        means[run.name] = {
            metric: float(values_of(run, kind, system, queries, metric, crossfitted=fitted).mean())
            for metric in METRICS
        }
        if fitted and run.sets[kind].is_crossfitted(system):
            seen[run.name] = float(values_of(run, kind, system, queries, crossfitted=False).mean())
    return SystemRow(row, names, means, to_first, _weights(runs, names), seen)


def _weights(runs: Sequence[ComparedRun], names: Mapping[str, str]) -> dict[str, float]:
    weights = {run.name: run.weight_of(names[run.name]) for run in runs}
    return {name: weight for name, weight in weights.items() if weight is not None}


def _rows_of(runs: Sequence[ComparedRun], kind: str) -> dict[str, dict[str, str]]:
    """Returns the system of each run for each row: what each run advises, where all differ in it, then every system."""
    measured = [run.sets[kind].reached for run in runs]
    rows = {}
    advised = {run.name: run.advised for run in runs}
    if len(set(advised.values())) > 1 and all(run.advised in run.sets[kind].reached for run in runs):
        rows[ADVISED] = advised
    for system in measured[0]:
        if all(system in reached for reached in measured):
            rows[system] = {run.name: system for run in runs}
    return rows


def _nothing_shared(runs: Sequence[ComparedRun]) -> UserError:
    sizes = ", ".join(
        f"{run.name} has {' and '.join(_described(run, kind) for kind in SETS if kind in run.sets) or 'none'}"
        for run in runs
    )
    remedy = "compare runs that were measured on the same judged questions (report.benchmark), or share their samples"
    return UserError(f"there is no query that all of them measured: {sizes}", where="compare", remedy=remedy)


def _described(run: ComparedRun, kind: str) -> str:
    queries = run.sets[kind]
    what = f"judged questions of {queries.name}" if kind != HELD_OUT else "synthetic ones"
    return f"{len(queries.queries):,} {what}"


def _data(runs: Sequence[ComparedRun]) -> dict[str, dict[str, float | None]]:
    columns = {run.name: _data_of(run) for run in runs}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    return {name: {run: column.get(name) for run, column in columns.items()} for name in names}


def _data_of(run: ComparedRun) -> dict[str, float | None]:
    report = run.report
    rejected = {f"rejected: {reason.replace('_', ' ')}": count for reason, count in report.examples.rejected.items()}
    return {
        "documents": report.documents.documents,
        "passages": report.documents.passages,
        "samples planned": report.samples.planned,
        "samples failed": report.samples.failed,
        "examples kept": report.examples.kept,
        **rejected,
        "examples trained on": report.training.examples,
        "words of a kept query, median": report.data_quality.kept.words.p50,
        "distinct pairs of words, share": report.data_quality.kept.distinct_2,
        "tokens per kept example": report.cost.tokens_per_kept,
        "GPU seconds of the engines": report.cost.gpu_seconds,
        "CPU seconds of the engines": report.cost.cpu_seconds,
        "price": report.cost.price,
        "seconds of all steps": sum(report.seconds.values()),
        "peak memory, GB": report.peak_memory_bytes / 1e9,
    }


def _settings(runs: Sequence[ComparedRun]) -> dict[str, dict[str, str | None]]:
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    by_key = {key: {run.name: run.settings.get(key) for run in runs} for key in keys}
    return {key: values for key, values in by_key.items() if len(set(values.values())) > 1}
