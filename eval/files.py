"""Writes a report folder: report.json and the page, per-query scores, TREC runs and judgements.

    report.json  report.html  per_query.parquet  per_query.tsv
    runs/        bm25.trec base.trec tuned.trec judgements.qrels    the benchmark, or the held-out queries without one
                 base_words.trec tuned_words.trec                   the models with words, where that was chosen
    held_out/    the same for the held-out queries, where runs/ has the benchmark

In: a Report, an Evaluation, the evidence for the page. Out: those files. What the figures were computed from is written
beside them, so that `trec_eval runs/judgements.qrels runs/tuned.trec` gives the report's figures again. Of a system
whose figures are cross-fitted the TREC run is that of the weight which all queries chose; what its figures are the mean
of has a column of its own among the per-query scores.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.report import ReportFolder
from engine.storage.files import write_json, write_text
from eval.crossfit import COLUMN
from eval.evaluation import Evaluation
from eval.page.evidence import Evidence
from eval.page.page import render_page
from eval.report import HELD_OUT, JUDGED, KIND, UNIT, Report
from eval.retrieval.metrics import METRICS, Floats, best_rank
from eval.retrieval.ranking import Results
from eval.retrieval.trec import write_qrels, write_run

_ROWS_AT_A_TIME = 10_000
"""Rows of per_query.parquet that are held until they are written, as a row group."""


def write_report(output: Path, report: Report, evidence: Evidence) -> None:
    """Writes report.json and report.html."""
    folder = ReportFolder(output)
    write_json(folder.report_file, report.as_json())
    write_text(folder.page_file, render_page(report, evidence))


def write_evaluation(output: Path, evaluation: Evaluation) -> None:
    """Writes TREC runs with their judgements, and one row per query and system."""
    write_runs(output / "runs", evaluation.shown)
    if evaluation.judged:
        write_runs(output / HELD_OUT, evaluation.held_out)
    measured = [results for results in (evaluation.judged, evaluation.held_out) if results]
    columns = [evaluation.crossfitted if results is evaluation.shown else {} for results in measured]
    pairs = zip(measured, columns, strict=True)
    original_of = evaluation.corpus.original_of
    rows = (
        {**row, KIND: JUDGED if results is evaluation.judged else HELD_OUT}
        for results, crossfitted in pairs
        for row in per_query(results, crossfitted, original_of)
    )
    write_per_query(output, rows)


def write_runs(folder: Path, results: Results) -> None:
    """Writes one TREC run per system and the judgements that scored them."""
    folder.mkdir(exist_ok=True)
    for name, trec_run in results.trec_runs.items():
        write_run(folder / f"{name}.trec", trec_run, name)
    write_qrels(folder / "judgements.qrels", results.benchmark.qrels)


def per_query(
    results: Results, crossfitted: Mapping[str, Floats], original_of: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """Gives one row per query and system.

    Args:
        results: of all systems on one set of queries.
        crossfitted: what these queries count for the systems whose figures are cross-fitted, by name.
        original_of: document id -> id of the document that it is a copy of, `Corpus.original_of`.

    Yields:
        collection, query_id, query, system, best_rank (0: not ranked), best_document, every metric, what the query
        counts where the system's figures are cross-fitted, else None, and the unit that it is drawn with.
    """
    benchmark = results.benchmark
    for name, scores in results.scores.items():
        for row, query_id in enumerate(scores.query_ids):
            rank, document = best_rank(results.trec_runs[name].get(query_id, {}), benchmark.qrels[query_id])
            ids = {"collection": benchmark.name, "query_id": query_id, "query": benchmark.queries[query_id]}
            values = {metric: float(scores.values[metric][row]) for metric in METRICS}
            counts = float(crossfitted[name][row]) if name in crossfitted else None
            unit = benchmark.unit_of(query_id, original_of)
            best = {"best_rank": rank, "best_document": document}
            yield {**ids, "system": name, **best, **values, COLUMN: counts, UNIT: unit}


def write_per_query(output: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes per_query.parquet, and per_query.tsv for spreadsheets (line breaks and tabs in texts become spaces).

    Rows are written as they come, some thousands at a time: there are as many as queries times systems.
    """
    names = ["collection", "query_id", "query", "system"]
    fields = [(name, pa.string()) for name in names] + [("best_rank", pa.int32()), ("best_document", pa.string())]
    values = [(name, pa.float64()) for name in (*METRICS, COLUMN)]
    schema = pa.schema([*fields, *values, (UNIT, pa.string()), (KIND, pa.string())])
    waiting = iter(rows)
    with (
        pq.ParquetWriter(output / "per_query.parquet", schema) as parquet,
        (output / "per_query.tsv").open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        table.writerow(schema.names)
        while batch := list(itertools.islice(waiting, _ROWS_AT_A_TIME)):
            parquet.write_table(pa.Table.from_pylist(batch, schema=schema))
            table.writerows([_cell(row[name]) for name in schema.names] for row in batch)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
