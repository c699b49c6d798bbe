"""A finished report folder gives the record of its step and the places of its files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.report import ReportFolder, ReportRecord
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values

RECORD = ReportRecord(
    queries=5,
    decision={"model": "tuned", "why": "it is better"},
    retrieval={"tiny": {"tuned": {"ndcg@10": 0.5}, "ci95": {"tuned": {"ndcg@10": [0.4, 0.6]}}}},
    held_out={"queries": 8},
)


def test_a_record_reads_back_under_the_names_of_the_file(tmp_path: Path) -> None:
    values = to_json_values(RECORD)
    assert list(values) == ["queries", "decision", "retrieval", "held_out"]
    finish(tmp_path, StepRecord("report", "00", {}, {}, 1.0, 1, values))
    assert ReportFolder(tmp_path).record() == RECORD


def test_figures_and_page_lie_beside_each_other(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    assert (folder.report_file, folder.page_file) == (tmp_path / "report.json", tmp_path / "report.html")


def test_figures_and_queries_are_read_by_whoever_must_not_know_who_measured_them(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    folder.report_file.write_text('{"decision": {"model": "base"}}')
    rows = [(query, system) for system in ("bm25", "base") for query in ("how", "why", "how", "who")]
    pq.write_table(
        pa.table({"query": [row[0] for row in rows], "system": [row[1] for row in rows]}),
        tmp_path / "per_query.parquet",
    )
    assert folder.values() == {"decision": {"model": "base"}}
    assert folder.queries(10) == ["how", "why", "who"]
    assert folder.queries(2) == ["how", "why"]
