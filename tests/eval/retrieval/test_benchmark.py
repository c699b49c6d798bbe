"""Benchmarks come from folders or ship; demonstrations and unanswerable queries are left out and counted."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from engine.errors import UserError
from eval.retrieval.benchmark import Benchmark, benchmark_digest, benchmark_folder, load_benchmark, make_benchmark
from tests.support.small_run import write_benchmark


def test_a_folder_gives_its_queries_less_demonstrations_and_unanswerable_ones(tmp_path: Path) -> None:
    benchmark = load_benchmark(str(write_benchmark(tmp_path / "tiny")), "test", exclude={"q6"})
    assert benchmark is not None
    assert benchmark.name == "tiny"
    assert list(benchmark.queries) == list(benchmark.qrels) == ["q1", "q2", "q3", "q4", "q5"]
    assert benchmark.qrels["q2"] == {"knots": 3, "bridges": 1}
    assert benchmark.left_out == {"demonstration": 1, "no relevant document": 1}


def test_queries_of_other_splits_are_not_counted() -> None:
    benchmark = make_benchmark("x", {"a": "one", "b": "two"}, {"a": {"d": 1}}, exclude={"b"})
    assert (dict(benchmark.queries), benchmark.left_out) == ({"a": "one"}, {})


def test_no_queries_or_no_judgements_is_no_benchmark(tmp_path: Path) -> None:
    assert load_benchmark("", "test") is None
    assert load_benchmark(str(tmp_path), "test") is None
    folder = write_benchmark(tmp_path / "tiny")
    shutil.rmtree(folder / "qrels")
    assert load_benchmark(str(folder), "test") is None
    (tmp_path / "corpus.jsonl").write_text("{}")
    assert load_benchmark(str(tmp_path / "corpus.jsonl"), "test") is None


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"queries\.jsonl and qrels/") as error:
        benchmark_folder(str(tmp_path / "nowhere"))
    assert error.value.where == f"report.benchmark={tmp_path}/nowhere"


def test_a_split_that_is_missing_names_those_that_are_there(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "tiny", split="tests")
    with pytest.raises(UserError, match="did you mean 'tests'") as error:
        load_benchmark(str(folder), "test")
    assert error.value.where == "report.split=test"
    assert "looked for qrels/test.tsv, qrels.tsv" in error.value.what
    assert "there is qrels/tests.tsv" in error.value.what


def test_compressed_files_and_objects_make_the_same_benchmark(tmp_path: Path) -> None:
    plain, packed = (write_benchmark(tmp_path / name / "tiny") for name in "ab")
    expected = benchmark_digest(str(plain), "test")
    for name in ("queries.jsonl", "qrels/test.tsv"):
        file = packed / name
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert benchmark_digest(str(packed), "test") == expected
    lines = (plain / "qrels" / "test.tsv").read_text().splitlines()[1:]
    rows = [dict(zip(("query-id", "corpus-id", "score"), line.split("\t"), strict=True)) for line in lines if line]
    (plain / "qrels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shutil.rmtree(plain / "qrels")
    assert benchmark_digest(str(plain), "test") == expected


def test_judgements_of_an_unknown_query_are_refused(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "tiny")
    with (folder / "qrels" / "test.tsv").open("a") as stream:
        stream.write("\nq99\tapples\t1\n")
    with pytest.raises(UserError, match="q99"):
        load_benchmark(str(folder), "test")


def test_what_is_left_out_is_told_with_its_reasons() -> None:
    qrels = {"a": {"d": 1}, "b": {"d": 0}, "c": {"d": 1}}
    texts = dict.fromkeys(qrels, "text")
    assert make_benchmark("x", texts, {"a": {"d": 1}}).told_left_out() == ""
    told = make_benchmark("x", texts, qrels).told_left_out()
    assert told == "1 of 3 judged queries of x left out: no relevant document"
    told = make_benchmark("x", texts, qrels, exclude={"c"}).told_left_out()
    assert told == "2 of 3 judged queries of x left out: 1 no relevant document, 1 shown as demonstration"


def test_relevant_documents_that_the_run_lacks_are_counted() -> None:
    benchmark = Benchmark("x", {"a": "one"}, {"a": {"here": 1, "gone": 2, "irrelevant": 0}})
    assert benchmark.relevant_documents() == {"here", "gone"}
    assert benchmark.missing_documents({"here"}) == 1


def test_the_digest_follows_content_not_place(tmp_path: Path) -> None:
    first, second = write_benchmark(tmp_path / "a" / "tiny"), write_benchmark(tmp_path / "b" / "tiny")
    assert benchmark_digest(str(first), "test") == benchmark_digest(str(second), "test") != ""
    judgements = second / "qrels" / "test.tsv"
    judgements.write_text(judgements.read_text().replace("apples\t2", "apples\t1"))
    assert benchmark_digest(str(first), "test") != benchmark_digest(str(second), "test")
    assert benchmark_digest("", "test") == ""
