"""The beginnings of documents: what they show to be wrong is refused, and nothing large is read to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.documents import opening
from engine.documents.config import DocumentsConfig
from engine.documents.opening import look_at_documents
from engine.documents.readers.rows import LOOK_ROWS
from engine.errors import UserError
from tests.support.source_files import put, put_parquet

GOOD = '{"_id": "a", "text": "some words"}\n'


def config(path: Path, **settings: Any) -> DocumentsConfig:
    return DocumentsConfig(path=str(path), tokenizer="", **settings)


@pytest.mark.parametrize(
    ("files", "where", "what"),
    [
        ({"a.jsonl": GOOD, "b.jsonl": "oops\n"}, "b.jsonl:1", "malformed JSON"),
        ({"a.jsonl": GOOD + '{"_id": "a", "text": "x"}'}, "a.jsonl:2", "duplicate id 'a'"),
        ({"a.jsonl": '{"words": "x"}'}, "a.jsonl:1", "no field looks like the text"),
        ({"a.csv": "id,text\n1,x\n", "b.csv": "id,text\n2\n"}, "b.csv:2", "1 fields where the header has 2"),
        ({"a.csv": "id,text\n1,x\n", "b.csv": "id,words\n2,x\n"}, "b.csv:1", "no field looks like the text"),
        ({"a.jsonl": ""}, "", "holds no documents"),
        ({"a.jsonl": "", "b.jsonl": " \n"}, "", "holds no documents"),
        ({"a.jsonl": '{"text": " "}\n{"text": ""}'}, "", "none of 2 documents gives a passage: 2 empty"),
        ({"a.txt": "\n", "b/c.md": " "}, "", "none of 2 documents gives a passage: 2 empty"),
        ({"a.txt": "\x00\x01\x02"}, "", "its only document gives no passage: 1 control characters"),
        ({"a.json": '{"data": []}'}, "", "holds no documents"),
        ({"a.json": '{"data": '}, "a.json:1", "malformed JSON"),
    ],
)
def test_what_the_first_lines_show_is_refused(tmp_path: Path, files: dict[str, str], where: str, what: str) -> None:
    for name, text in files.items():
        put(tmp_path / name, text)
    with pytest.raises(UserError) as caught:
        look_at_documents(config(tmp_path))
    assert what in caught.value.what
    assert caught.value.where == (f"{tmp_path}/{where}" if where else f"documents.path={tmp_path}")


def test_a_further_file_of_parquet_needs_the_columns(tmp_path: Path) -> None:
    put_parquet(tmp_path / "a.parquet", [{"id": "1", "text": "some words"}])
    look_at_documents(config(tmp_path))
    pq.write_table(pa.table({"id": ["2"], "words": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match="no field looks like the text") as caught:
        look_at_documents(config(tmp_path))
    assert caught.value.where == f"{tmp_path}/b.parquet"


def test_the_end_of_a_large_file_is_left_to_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.dumps({"_id": str(number), "text": ""}) for number in range(LOOK_ROWS)]
    file = put(tmp_path / "a.jsonl", "\n".join([*rows, "{}", "oops"]))
    look_at_documents(config(file))
    monkeypatch.setattr(opening, "LOOK_CHARACTERS", 10)
    look_at_documents(config(put(tmp_path / "long.txt", " " * 11)))
    look_at_documents(config(put(tmp_path / "long.json", '{"data": [oops')))


def test_a_tree_is_looked_at_up_to_its_first_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        put(tmp_path / f"{name}.txt", "" if name == "a" else "some words")
    read: list[str] = []
    plain = opening.clean_document
    monkeypatch.setattr(opening, "clean_document", lambda document: (read.append(document.id), plain(document))[1])
    look_at_documents(config(tmp_path))
    assert read == ["a.txt", "b.txt"]


def test_a_tree_that_begins_with_files_of_which_none_is_read_is_no_table(tmp_path: Path) -> None:
    for number in range(LOOK_ROWS + 1):
        (tmp_path / f"{number:04}.txt").write_bytes("caf\xe9, or another word".encode("latin-1"))
    put(tmp_path / "z.md", "some words")
    look_at_documents(config(tmp_path))


def test_what_a_limit_leaves_out_is_not_looked_at(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", GOOD + "oops\n")
    put(tmp_path / "b.jsonl", "oops\n")
    look_at_documents(config(tmp_path, limit=1))
    with pytest.raises(UserError, match="malformed JSON"):
        look_at_documents(config(tmp_path, limit=2))


def test_documents_in_no_file_are_not_looked_at() -> None:
    look_at_documents(DocumentsConfig(reader=opening.Reader.blank, limit=1, tokenizer=""))
