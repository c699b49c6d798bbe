"""The settings of the query log: which file it is.

In: `queries.path`. Out: a frozen config. A log that is not there is refused when a run is composed, since conditions
are measured in it before anything is planned.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QueriesConfig:
    """Queries that people typed, without judgements."""

    path: str = ""
    """A log: a text file with a query per line, or JSONL, CSV, TSV or Parquet with a column `query` (each but Parquet
    also `.gz`). Other columns, as counts and dates, are not read. Empty: there is none."""
