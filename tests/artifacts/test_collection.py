"""Queries and judgements of a BEIR folder: all forms that are read, and every mistake with its place and remedy."""

from pathlib import Path

import pytest

from engine.artifacts.collection import (
    check_judgements,
    has_benchmark,
    list_splits,
    load_collection,
    qrels_file,
    read_qrels,
    read_queries,
)
from engine.errors import UserError
from tests.support.paths import SHARED_DATA

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"{SHARED_DATA} is absent")

QUERIES = '{"_id": "q1", "text": "how do wings lift"}\n{"_id": "q2", "text": " what is drag "}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td 2\t0\nq2\td1\t1\n"


def write(folder: Path, queries: str = QUERIES, qrels: str = QRELS, split: str = "test") -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    (folder / "qrels" / f"{split}.tsv").write_text(qrels, encoding="utf-8")
    return folder


def test_reads_queries_and_grades(tmp_path: Path) -> None:
    collection = load_collection(write(tmp_path), "test")
    assert collection.queries == {"q1": "how do wings lift", "q2": "what is drag"}
    assert collection.qrels == {"q1": {"d1": 2, "d 2": 0}, "q2": {"d1": 1}}
    assert list(collection.judged) == ["q1", "q2"]
    collection.check_documents({"d1", "d 2"})


@pytest.mark.parametrize(
    "qrels",
    ["q1\td1\t2\nq2\td1\t1\n", "q1 0 d1 2\nq2 0 d1 1\n", "q1\t0\td1\t2\n\nq2\tQ0\td1\t1", "q1 d1 2.0\r\nq2 d1 1\r\n"],
    ids=["headerless", "trec", "trec-tabs", "spaces"],
)
def test_other_forms_of_judgements(tmp_path: Path, qrels: str) -> None:
    assert read_qrels(write(tmp_path, qrels=qrels), "test") == {"q1": {"d1": 2}, "q2": {"d1": 1}}


def test_knows_what_a_folder_has(tmp_path: Path) -> None:
    assert not has_benchmark(tmp_path)
    assert not has_benchmark(tmp_path / "missing")
    write(tmp_path)
    write(tmp_path, split="dev")
    assert has_benchmark(tmp_path)
    assert list_splits(tmp_path) == ["dev", "test"]


@pytest.mark.parametrize(
    ("queries", "line", "what"),
    [
        ('{"_id": "q1", "text": "a"}\n{"_id": \n', 2, "malformed JSON"),
        ('{"_id": "q1", "text": "a"}\n\n["q2"]\n', 3, "a JSON list"),
        ('{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n', 2, "duplicate query id 'q1'"),
        ('{"text": "a"}\n', 1, "no _id"),
        ('{"_id": "q1", "text": " "}\n', 1, "query 'q1' has no text"),
    ],
)
def test_a_bad_query_is_named(tmp_path: Path, queries: str, line: int, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_queries(write(tmp_path, queries=queries))
    assert caught.value.where == f"{tmp_path / 'queries.jsonl'}:{line}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("qrels", "line", "what"),
    [
        ("q1\td1\t2\nq1\td2\n", 2, "2 columns in 'q1"),
        ("q1\td1\t2\nq1\td2\thigh\n", 2, "score 'high' is not an integer"),
        ("q1\td1\t0.5\n", 1, "score '0.5' is not an integer"),
        ("q1\td1\t1\nq1\td1\t1\nq1\td1\t2\n", 3, "two grades, 1 and 2"),
        ("q1\t\t1\n", 1, "3 columns"),
    ],
)
def test_a_bad_judgement_is_named(tmp_path: Path, qrels: str, line: int, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_qrels(write(tmp_path, qrels=qrels), "test")
    assert caught.value.where == f"{tmp_path / 'qrels' / 'test.tsv'}:{line}"
    assert caught.value.remedy


def test_an_unknown_query_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, qrels=QRELS + "q9\td1\t1\n")
    with pytest.raises(UserError, match="unknown query 'q9'") as caught:
        load_collection(tmp_path, "test")
    assert caught.value.where == f"{tmp_path / 'qrels' / 'test.tsv'}:5"
    assert "queries.jsonl" in caught.value.remedy


def test_an_unknown_document_is_named_with_its_line(tmp_path: Path) -> None:
    qrels = read_qrels(write(tmp_path), "test")
    with pytest.raises(UserError, match="unknown document 'd 2'") as caught:
        check_judgements(qrels, {"q1", "q2"}, {"d1"}, qrels_file(tmp_path, "test"))
    assert caught.value.where == f"{tmp_path / 'qrels' / 'test.tsv'}:3"
    assert "remove its judgements" in caught.value.remedy


def test_a_missing_split_suggests_the_others(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UserError, match="split 'tset'") as caught:
        read_qrels(tmp_path, "tset")
    assert caught.value.where == f"collection={tmp_path}"
    assert "did you mean 'test'" in caught.value.remedy


@pytest.mark.parametrize("queries", ["", "\n\n"])
def test_empty_files_are_refused(tmp_path: Path, queries: str) -> None:
    write(tmp_path, queries=queries, qrels="query-id\tcorpus-id\tscore\n")
    with pytest.raises(UserError, match="holds no queries"):
        read_queries(tmp_path)
    with pytest.raises(UserError, match="holds no judgements"):
        read_qrels(tmp_path, "test")


def test_missing_queries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no queries\.jsonl") as caught:
        read_queries(tmp_path)
    assert caught.value.where == f"collection={tmp_path}"


@needs_data
@pytest.mark.parametrize(("name", "queries", "judgements"), [("cranfield", 225, 1837), ("cacm", 52, 796)])
def test_real_collections(name: str, queries: int, judgements: int) -> None:
    collection = load_collection(SHARED_DATA / name, "test")
    assert len(collection.judged) == queries
    assert sum(map(len, collection.qrels.values())) == judgements
