"""Judgements: every file and form that is read, and every mistake with its place and remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.artifacts.judgements import list_splits, plain_id, qrels_file, read_qrels, whereabouts
from engine.errors import UserError

QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td1\t1\n"
GRADES = {"q1": {"d1": 2}, "q2": {"d1": 1}}
OBJECTS = "".join(
    json.dumps({"query-id": query, "corpus-id": document, "score": grade}) + "\n"
    for query, grades in GRADES.items()
    for document, grade in grades.items()
)


def write(folder: Path, qrels: str, name: str = "qrels/test.tsv") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(qrels.encode()) if name.endswith(".gz") else qrels.encode())
    return folder


@pytest.mark.parametrize("place", ["qrels/test", "qrels"])
@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz"])
def test_every_file_that_may_hold_judgements(tmp_path: Path, place: str, ending: str) -> None:
    write(tmp_path, OBJECTS if "jsonl" in ending else QRELS, place + ending)
    assert list_splits(tmp_path) == ["test"]
    assert qrels_file(tmp_path, "test") == tmp_path / f"{place}{ending}"
    assert read_qrels(tmp_path, "test") == GRADES


def test_of_two_files_of_a_split_the_usual_form_is_read(tmp_path: Path) -> None:
    for name in ("qrels.tsv", "qrels/test.jsonl", "qrels/test.tsv.gz"):
        write(tmp_path, OBJECTS if "jsonl" in name else QRELS, name)
    assert qrels_file(tmp_path, "test").name == "test.tsv.gz"
    write(tmp_path, QRELS, "qrels/v2.dev.tsv")
    write(tmp_path, QRELS, "qrels/._dev.tsv")
    assert list_splits(tmp_path) == ["test", "v2.dev"], "other systems leave hidden files"


@pytest.mark.parametrize(
    "row",
    [
        {"query-id": "q1", "corpus-id": "d1", "score": 2},
        {"query_id": "q1", "corpus_id": "d1", "score": 2.0},
        {"qid": "q1 ", "docid": "d1", "relevance": "2"},
        {"qid": "q1", "doc_id": "d1", "iteration": 0, "label": 2},
    ],
)
def test_objects_with_other_names(tmp_path: Path, row: dict[str, object]) -> None:
    assert read_qrels(write(tmp_path, json.dumps(row), "qrels/test.jsonl"), "test") == {"q1": {"d1": 2}}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"query-id": "q1", "corpus-id": "d1"}', "no score"),
        ('{"query-id": "q1", "score": 1}', "no corpus-id"),
        ('{"query-id": " ", "corpus-id": "d1", "score": 1}', "no query-id"),
        ('{"query-id": "q1", "corpus-id": "d1", "score": 0.5}', "score '0.5' is not an integer"),
        ('{"query-id": "q1", "corpus-id": ["d1"], "score": 1}', "no corpus-id"),
        ('{"query-id": "q1\\ud800", "corpus-id": "d1", "score": 1}', r"query-id 'q1\\ud800' holds half a surrogate"),
        ('{"query-id": "q1", "corpus-id": "d\\udfff", "score": 1}', r"corpus-id 'd\\udfff' holds half a surrogate"),
        ('{"query-id": "q1"', "malformed JSON"),
        ('{"query-id": "q2", "corpus-id": "d1", "score": 7}', "two grades, 1 and 7"),
    ],
)
def test_a_bad_object_is_named(tmp_path: Path, line: str, what: str) -> None:
    write(tmp_path, OBJECTS + line, "qrels/test.jsonl")
    with pytest.raises(UserError, match=what) as caught:
        read_qrels(tmp_path, "test")
    assert caught.value.where == f"{tmp_path / 'qrels' / 'test.jsonl'}:3"
    assert caught.value.remedy


def test_whole_floats_are_the_ids_that_documents_have(tmp_path: Path) -> None:
    expected = {"1": {"20": 1}, "2.5": {"v1.0": 1}}
    assert read_qrels(write(tmp_path / "a", "1.0\t20.0\t1.0\n2.5\tv1.0\t1\n"), "test") == expected
    rows = '{"query-id": 1.0, "corpus-id": 20, "score": 1}\n{"query-id": "2.5", "corpus-id": "v1.0", "score": 1}\n'
    assert read_qrels(write(tmp_path / "b", rows, "qrels/test.jsonl"), "test") == expected


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("1.0", "1"),
        ("-3.000", "-3"),
        (4.0, "4"),
        (5, "5"),
        ("007", "007"),
        ("1.", "1."),
        ("1.0.0", "1.0.0"),
        ("x", "x"),
    ],
)
def test_plain_ids(name: object, plain: str) -> None:
    assert plain_id(name) == plain
    assert plain_id(plain) == plain


@pytest.mark.parametrize(
    "qrels",
    ["q1\td1\t2\nq2\td1\t1\n", "q1 0 d1 2\nq2 0 d1 1\n", "q1\t0\td1\t2\n\nq2\tQ0\td1\t1", "q1 d1 2.0\r\nq2 d1 1\r\n"],
    ids=["headerless", "trec", "trec-tabs", "spaces"],
)
def test_other_forms_of_judgements(tmp_path: Path, qrels: str) -> None:
    assert read_qrels(write(tmp_path, qrels), "test") == {"q1": {"d1": 2}, "q2": {"d1": 1}}


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
        read_qrels(write(tmp_path, qrels), "test")
    assert caught.value.where == f"{tmp_path / 'qrels' / 'test.tsv'}:{line}"
    assert caught.value.remedy


def test_a_missing_split_suggests_the_others(tmp_path: Path) -> None:
    write(tmp_path, QRELS)
    with pytest.raises(UserError, match="split 'tset'") as caught:
        read_qrels(tmp_path, "tset")
    assert caught.value.where == f"collection={tmp_path}"
    assert "did you mean 'test'" in caught.value.remedy


def test_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    ends = "(or .tsv.gz, .jsonl, .jsonl.gz)"
    assert whereabouts(tmp_path, "dev") == f"looked for qrels/dev.tsv {ends}; there is no file of that kind"
    write(tmp_path, QRELS, "qrels/train.csv")
    write(tmp_path, QRELS, "qrels.txt")
    expected = f"looked for qrels/test.tsv, qrels.tsv {ends}; there are qrels.txt, qrels/train.csv"
    assert whereabouts(tmp_path, "test") == expected
