"""The queries of a report as rows that a model can be asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.pairs import query_id
from engine.artifacts.rows import RowsFolder
from engine.errors import UserError
from eval.asking.config import AskedQueries
from eval.asking.queries import read_queries
from eval.expansion.step import write_queries
from tests.support.places import quiet_place
from tests.support.small_run import build_run, hold_nothing_out, write_benchmark


def test_every_query_is_a_row_under_its_own_name(tmp_path: Path) -> None:
    folders, output = build_run(tmp_path / "store"), tmp_path / "rows"
    output.mkdir()
    asked = AskedQueries(str(write_benchmark(tmp_path / "tiny")), "test", 300, 3)
    record = write_queries(asked, folders, output, quiet_place(tmp_path))
    queries = read_queries(asked, folders)
    assert record.rows == len(queries) == 5
    assert dict(RowsFolder(output).rows()) == {query_id(query): {"query": query} for query in queries}


def test_a_report_without_queries_is_refused(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    hold_nothing_out(folders["examples"])
    with pytest.raises(UserError, match=r"^report\.expand: the report has no query to expand"):
        write_queries(AskedQueries("", "test", 300, 3), folders, tmp_path, quiet_place(tmp_path))
