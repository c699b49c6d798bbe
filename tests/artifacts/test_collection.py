"""Queries and judgements of a BEIR folder: all forms that are read, and every mistake with its place and remedy."""

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.collection import (
    check_against_documents,
    check_judgements,
    collection_files,
    has_benchmark,
    load_collection,
    read_queries,
)
from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.artifacts.judgements import list_splits, qrels_file, read_qrels
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
        ('{"_id": "q1", "text": "\\ud83d"}\n', 1, "query 'q1' has no text"),
        ('{"_id": "q1", "text": "a"}\n{"_id": "q\\ud83d", "text": "b"}\n', 2, r"_id 'q\\ud83d' holds half a surrogate"),
    ],
)
def test_a_bad_query_is_named(tmp_path: Path, queries: str, line: int, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_queries(write(tmp_path, queries=queries))
    assert caught.value.where == f"{tmp_path / 'queries.jsonl'}:{line}"
    assert caught.value.remedy


def test_half_of_a_character_in_a_query_is_a_space_as_in_documents(tmp_path: Path) -> None:
    """A text that was cut by UTF-16 units ends so, and neither a tokenizer nor a file of the report takes it."""
    queries = '{"_id": "q1", "text": "wings \\ud83d"}\n{"_id": "q2", "text": "a\\udc00b \\ud83d\\ude00"}\n'
    assert read_queries(write(tmp_path, queries=queries)) == {"q1": "wings", "q2": "a b \N{GRINNING FACE}"}


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


@pytest.mark.parametrize("queries", ["", "\n\n"])
def test_empty_files_are_refused(tmp_path: Path, queries: str) -> None:
    write(tmp_path, queries=queries, qrels="query-id\tcorpus-id\tscore\n")
    with pytest.raises(UserError, match="holds no queries"):
        read_queries(tmp_path)
    with pytest.raises(UserError, match="holds no judgements"):
        read_qrels(tmp_path, "test")


def test_compressed_queries_and_judgements_are_read(tmp_path: Path) -> None:
    plain = load_collection(write(tmp_path / "plain"), "test")
    shutil.copytree(tmp_path / "plain", tmp_path / "packed")
    for name in ("queries.jsonl", "qrels/test.tsv"):
        file = tmp_path / "packed" / name
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    packed = load_collection(tmp_path / "packed", "test")
    assert (packed.queries, packed.qrels) == (plain.queries, plain.qrels)
    assert [file.name for file in collection_files(tmp_path / "packed")] == ["queries.jsonl.gz", "test.tsv.gz"]


def test_ids_of_queries_are_written_as_those_of_judgements(tmp_path: Path) -> None:
    queries = '{"_id": 1.0, "text": "one"}\n{"_id": "2.0", "text": "two"}\n{"_id": 3, "text": "three"}\n'
    collection = load_collection(write(tmp_path, queries=queries, qrels="1\td1\t1\n2.0\td1\t1\n3.0\td2\t1\n"), "test")
    assert collection.judged == {"1": "one", "2": "two", "3": "three"}


def write_documents(folder: Path, *ids: str) -> Path:
    """A finished documents folder with these documents, the last of which gave no passage."""
    folder.mkdir()
    rows = [
        {"passage_id": name, "document_id": name, "title": "", "text": "x", "position": 0, "num_tokens": 1}
        for name in ids[:-1]
    ]
    pq.write_table(pa.Table.from_pylist(rows, PASSAGES), folder / "passages.parquet")
    failed = [{"document_id": ids[-1], "reason": "empty"}]
    pq.write_table(pa.Table.from_pylist(failed, FAILED_DOCUMENTS), folder / "failed.parquet")
    return folder


def remarks(folder: Path, *ids: str, limit: int = 0, split: str = "test") -> list[str]:
    """What is said of a collection when its documents have these ids; without ids the run reads others."""
    documents = write_documents(folder.parent / f"documents-{len(ids)}-{limit}", *ids) if ids else None
    return list(check_against_documents(folder, split, documents, limit))


def test_a_collection_that_is_whole_is_not_remarked_on(tmp_path: Path) -> None:
    assert remarks(write(tmp_path / "a"), "d1", "d 2", "x") == []
    (tmp_path / "b").mkdir()
    assert remarks(tmp_path / "b") == []


def test_a_document_that_is_unknown_ends_the_run_unless_documents_are_limited(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    with pytest.raises(UserError, match="unknown document 'd 2'"):
        remarks(folder, "d1", "x")
    [remark] = remarks(folder, "d1", "x", limit=2)
    assert remark.startswith("documents.limit=2 leaves out 1 of 2 judged documents")
    assert remarks(folder, "d1", "d 2", "x", limit=3) == []


def test_queries_without_judgements_are_counted(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", queries=QUERIES + '{"_id": "q3", "text": "?"}\n')
    assert remarks(folder) == ["1 of 3 queries have no judgements in qrels/test.tsv, so they are not measured"]
    write(folder, queries=QUERIES + '{"_id": "q3", "text": "?"}\n', split="dev")
    assert "qrels/test.tsv (other splits: dev)" in remarks(folder)[0]


def test_a_split_of_another_name_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    [remark] = remarks(write(tmp_path / "a", split="validation"), "d1", "x")
    assert "no judgements for split 'test'" in remark
    assert "looked for qrels/test.tsv, qrels.tsv (or .tsv.gz, .jsonl, .jsonl.gz); there is qrels/valid" in remark
    assert "report.split" in remark


def test_queries_and_no_judgements_at_all_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "test.parquet")
    [remark] = remarks(folder)
    assert "has 2 queries and no judgements" in remark
    assert remark.endswith("there is qrels/test.parquet")


def test_judgements_and_no_queries_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    (folder / "queries.jsonl").rename(folder / "queries.tsv")
    [remark] = remarks(folder)
    assert "has judgements (qrels/test.tsv) and no queries" in remark
    assert remark.endswith("looked for queries.jsonl and queries.jsonl.gz; there is queries.tsv")


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
