"""The documents step: its files, its record, and the mistakes that end it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import FAILED_DOCUMENTS, PASSAGES
from engine.artifacts.documents import DocumentsRecord
from engine.documents import writer
from engine.documents.config import DocumentsConfig
from engine.documents.step import load_documents
from engine.errors import UserError
from engine.runtime.console import Console
from tests.support.paths import ROOT, SHARED_DATA
from tests.support.source_files import put

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"{SHARED_DATA} is absent")
MODEL = "bundled:all-minilm-l6-v2"


def config(path: Path | str, **options: Any) -> DocumentsConfig:
    return DocumentsConfig(path=str(path), tokenizer=MODEL, **options)


def corpus(folder: Path, *rows: Mapping[str, object]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def load(settings: DocumentsConfig, output: Path) -> DocumentsRecord:
    output.mkdir(exist_ok=True)
    place: Any = SimpleNamespace(num_cpus=2, console=Console())
    return load_documents(settings, {}, output, place)


GOOD = {"_id": "a", "title": "T", "text": "one two three four five"}


def test_writes_passages_and_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 2)
    rows = [GOOD, {"_id": "b", "text": "word " * 40}, {"_id": "c", "text": ""}, {"_id": "d", "text": "\x00"}]
    settings = config(corpus(tmp_path / "in", *rows), max_tokens=16, overlap_tokens=4)
    record = load(settings, tmp_path / "out")
    passages = pq.read_table(tmp_path / "out" / "passages.parquet")
    failed = pq.read_table(tmp_path / "out" / "failed.parquet")
    assert passages.schema == PASSAGES
    assert failed.schema == FAILED_DOCUMENTS
    assert passages["passage_id"].to_pylist() == ["a", "b", "b#2", "b#3"]
    assert passages["title"].to_pylist() == ["T", "", "", ""]
    assert pq.ParquetFile(tmp_path / "out" / "passages.parquet").num_row_groups == 2
    assert failed.to_pylist() == [
        {"document_id": "c", "reason": "empty"},
        {"document_id": "d", "reason": "control characters"},
    ]
    tokens = sum(passages["num_tokens"].to_pylist())
    failures = {"control characters": 1, "empty": 1}
    assert record == DocumentsRecord(reader="beir", documents=4, passages=4, tokens=tokens, failed=failures)


def test_a_tree_goes_on_without_the_files_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.md").write_text("one two three four five")
    (folder / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (folder / "scan.pdf").write_bytes(b"%PDF")
    record = load(config(folder), tmp_path / "out")
    assert (record.passages, record.failed) == (1, {"not UTF-8": 1})
    assert pq.read_table(tmp_path / "out" / "failed.parquet")["document_id"].to_pylist() == ["latin.txt"]
    said = capsys.readouterr().out
    assert "left out, being of other kinds: 1 .pdf" in said
    assert "1 not UTF-8 of 2 documents" in said


def test_rows_that_are_unlike_the_others_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [GOOD, {**GOOD, "_id": "e"}, {"_id": "b", "body": "read by its other name"}, {"_id": "c", "words": "told"}]
    rows.append({"_id": "d", "text": "", "body": "told as well"})
    record = load(config(corpus(tmp_path / "in", *rows)), tmp_path / "out")
    assert (record.passages, record.failed) == (3, {"no field 'text'": 1, "no text in 'text', but in 'body'": 1})
    assert "1 no field 'text', 1 no text in 'text', but in 'body' of 5 documents" in capsys.readouterr().out
    failed = pq.read_table(tmp_path / "out" / "failed.parquet").to_pylist()
    assert [row["document_id"] for row in failed] == ["c", "d"]


def test_what_is_read_of_a_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "in" / "README.md", "# A card\nthat is not read")
    put(tmp_path / "in" / "data" / "train.tsv", "1\tone two three four\n2\tfive six seven eight\n")
    record = load(config(tmp_path / "in"), tmp_path / "out")
    assert (record.reader, record.passages) == ("csv", 2)
    said = capsys.readouterr().out
    assert "read are data/train.tsv; left out are README.md" in said
    assert "train.tsv has no header: its first column is read as the id" in said


def test_limit_reads_the_first_documents(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in", GOOD, {"_id": "b", "text": "six seven"})
    assert load(config(folder, limit=1), tmp_path / "out").documents == 1


def test_the_same_text_without_an_id_is_a_duplicate(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in", {"text": "same words"}, {"text": "other words"}, {"text": "same words"})
    record = load(config(folder), tmp_path / "out")
    assert (record.documents, record.passages, record.failed) == (3, 2, {"duplicate": 1})


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_that_is_also_a_chunk_is_refused(tmp_path: Path, order: int) -> None:
    rows: list[dict[str, object]] = [{"_id": "a", "text": "word " * 40}, {"_id": "a#2", "text": "hello there"}]
    settings = config(corpus(tmp_path / "in", *rows[::order]), max_tokens=16, overlap_tokens=4)
    with pytest.raises(UserError, match="'a#2' is the id of a document and of chunk 2") as caught:
        load(settings, tmp_path / "out")
    assert caught.value.where == "documents.id_field"


@pytest.mark.parametrize(
    ("rows", "what", "remedy"),
    [
        ([], "holds no documents", "at least one document"),
        ([{"text": ""}, {"text": "few"}], "none of 2 documents gives a passage: 1 empty, 1 too short", "min_tokens=4"),
    ],
)
def test_a_corpus_of_nothing_is_refused(tmp_path: Path, rows: list[dict[str, object]], what: str, remedy: str) -> None:
    folder = corpus(tmp_path / "in", *rows)
    with pytest.raises(UserError) as caught:
        load(config(folder, min_tokens=4), tmp_path / "out")
    assert caught.value.what == what
    assert caught.value.where == f"documents.path={folder}"
    assert remedy in caught.value.remedy


def test_the_module_imports_nothing_heavy() -> None:
    heavy = ("torch", "ray", "tokenizers", "transformers", "pandas")
    script = f"import sys, engine.documents.step; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@needs_data
@pytest.mark.parametrize(("name", "count", "empty"), [("cranfield", 1400, 2), ("cacm", 3204, 0), ("korquad", 961, 0)])
def test_real_collections(tmp_path: Path, name: str, count: int, empty: int) -> None:
    record = load(config(SHARED_DATA / name, max_tokens=256), tmp_path / "out")
    ids = pq.read_table(tmp_path / "out" / "passages.parquet", columns=["passage_id"])["passage_id"].to_pylist()
    assert record.documents == count
    assert record.failed == ({"empty": empty} if empty else {})
    assert len(set(ids)) == len(ids) == record.passages >= count - empty


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.txt": ""}, "its only document gives no passage: 1 empty; name files with text in them"),
        ({"a.md": "\n", "b.txt": " "}, "none of 2 documents gives a passage: 2 empty; name files with text in them"),
        ({"a.jsonl": '{"text": ""}\n'}, "1 empty; set documents.text_field to the field with the text"),
        ({"a.txt": "word"}, "1 too short; lower documents.min_tokens=5, or name files with text in them"),
    ],
)
def test_the_remedy_is_about_what_was_read(tmp_path: Path, files: Mapping[str, str], said: str) -> None:
    for name, text in files.items():
        put(tmp_path / "in" / name, text)
    with pytest.raises(UserError) as caught:
        load(config(tmp_path / "in", min_tokens=5), tmp_path / "out")
    assert said in str(caught.value)
    assert ("field" in str(caught.value)) == ("a.jsonl" in files), "a file of text has none"
