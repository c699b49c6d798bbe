"""What a finished report folder holds, and how it is read.

    report.json, report.html          every figure, for scripts and for people
    per_query.parquet, per_query.tsv  the scores of each query with each system
    runs/, held_out/                  TREC runs, and the judgements that they were scored on

In: the folder. Out: its record, and where its files lie. The figures are typed in `eval`, which measures them; a step's
record repeats the ones that a person looks for first, as plain mappings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine.storage.store import read_record
from engine.storage.typed import from_json_values


@dataclass(frozen=True)
class ReportRecord:
    """What the report step measured; the mappings are the parts of report.json with the same names."""

    queries: int
    """Queries that the headline rests on: the judged questions, or the held-out queries without a benchmark."""
    decision: Mapping[str, Any]
    """Which model to use, and why."""
    retrieval: Mapping[str, Any]
    """Figures on the benchmark, by its name; empty without one."""
    held_out: Mapping[str, Any]
    """Figures on the synthetic queries of held-out documents."""


@dataclass(frozen=True)
class GivenReportRecord:
    """What the report of a run without documents, or of a model that is no encoder, measured.

    The mappings are the parts of report.json with the same names, without what is only for reading.
    """

    measured: int
    """Examples that were measured on: held-out ones, and those of files."""
    form: str
    """What an example is."""
    family: str
    """What the model is."""
    headline: str
    """What was better than the base, in a few words."""
    search: Mapping[str, Any]
    similarity: Mapping[str, Any]
    classification: Mapping[str, Any]
    controls: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ReportFolder:
    """A report folder."""

    path: Path

    def record(self) -> ReportRecord:
        """What the step recorded."""
        return from_json_values(ReportRecord, read_record(self.path).record)

    def values(self) -> dict[str, Any]:
        """Reads all figures as plain JSON values, for a step that must not know who measured them."""
        values: dict[str, Any] = json.loads(self.report_file.read_text(encoding="utf-8"))
        return values

    def queries(self, limit: int) -> list[str]:
        """Reads texts of different queries that were measured on, judged ones first.

        Args:
            limit: most queries to take.
        """
        table = pq.read_table(self.path / "per_query.parquet", columns=["query"], filters=[("system", "=", "bm25")])
        return list(dict.fromkeys(table["query"].to_pylist()))[:limit]

    @property
    def report_file(self) -> Path:
        """All figures as JSON."""
        return self.path / "report.json"

    @property
    def page_file(self) -> Path:
        """The page for people."""
        return self.path / "report.html"
