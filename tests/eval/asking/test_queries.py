"""The queries that a model is asked about are those that the report measures on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.asking.config import AskedQueries
from eval.asking.queries import read_queries
from eval.synthetic import held_out_queries
from tests.support.small_run import QUESTIONS, build_run, write_benchmark


def test_judged_queries_are_asked_about_where_there_are_any_and_held_out_ones_where_there_are_none(
    tmp_path: Path,
) -> None:
    folders = build_run(tmp_path / "store")
    asked = AskedQueries(str(write_benchmark(tmp_path / "tiny")), "test", 300, 2)
    judged = [QUESTIONS[name][0] for name in ("q1", "q2", "q3", "q4", "q5")]
    assert read_queries(asked, folders) == judged, "neither the demonstration nor what no document answers"
    unjudged = read_queries(replace(asked, benchmark=""), folders)
    assert unjudged == list(held_out_queries(folders["examples"], 2).queries.values())


def test_judged_queries_about_other_documents_are_left_out(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    benchmark = write_benchmark(tmp_path / "tiny")
    (benchmark / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\telsewhere\t1\n")
    queries = read_queries(AskedQueries(str(benchmark), "test", 300, 1), folders)
    assert queries == list(held_out_queries(folders["examples"], 1).queries.values())
