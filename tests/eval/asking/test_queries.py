"""The queries that a model is asked about are those that the report measures on."""

from __future__ import annotations

from pathlib import Path

from eval.asking.config import AskedQueries
from eval.asking.queries import one_line, query_id, read_queries
from eval.synthetic import held_out_queries
from tests.support.small_run import QUESTIONS, build_run, write_benchmark


def test_judged_queries_come_first_then_held_out_ones_each_once(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    asked = AskedQueries(str(write_benchmark(tmp_path / "tiny")), "test", 300, 2)
    queries = read_queries(asked, folders)
    judged = [QUESTIONS[name][0] for name in ("q1", "q2", "q3", "q4", "q5")]
    assert queries[:5] == judged, "neither the demonstration nor what no document answers"
    assert queries[5:] == list(held_out_queries(folders["examples"], 2).queries.values())
    assert len(queries) == 7


def test_judged_queries_about_other_documents_are_left_out(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    benchmark = write_benchmark(tmp_path / "tiny")
    (benchmark / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\telsewhere\t1\n")
    queries = read_queries(AskedQueries(str(benchmark), "test", 300, 1), folders)
    assert queries == list(held_out_queries(folders["examples"], 1).queries.values())


def test_white_space_makes_no_other_query() -> None:
    assert one_line(" a\n b ") == "a b"
    assert query_id("a b") == query_id(" a\tb") != query_id("a c")
