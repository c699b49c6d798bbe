"""What can be set for documents: what changes their identity, and values that are refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.documents.config import DocumentsConfig
from engine.documents.readers.source import Reader
from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.storage.digests import digest

GOOD = {"_id": "a", "title": "T", "text": "one two three four five"}


def config(path: Path | str, **options: Any) -> DocumentsConfig:
    return DocumentsConfig(path=str(path), tokenizer="bundled:all-minilm-l6-v2", **options)


def corpus(folder: Path, *rows: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_identity_is_the_content_and_not_the_path(tmp_path: Path) -> None:
    here, there = (corpus(tmp_path / name, GOOD) for name in ("here", "there"))
    (there / "queries.jsonl").write_text('{"_id": "q", "text": "?"}\n')
    first = digest(identity_of(config(here)))
    assert digest(identity_of(config(there))) == first
    assert digest(identity_of(config(here, reader=Reader.beir))) == first
    assert digest(identity_of(config(here, max_tokens=256))) != first
    corpus(here, {**GOOD, "text": "changed words"})
    assert digest(identity_of(config(here))) != first


def test_identity_of_a_tree_has_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("same")
    first = digest(identity_of(config(tmp_path))), digest(identity_of(config(tmp_path / "a.txt")))
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert digest(identity_of(config(tmp_path))) != first[0]
    assert digest(identity_of(config(tmp_path / "b.txt"))) != first[1]


def test_blank_documents_need_a_number() -> None:
    with pytest.raises(UserError) as caught:
        config("", reader=Reader.blank)
    assert (caught.value.where, caught.value.what) == ("documents.limit=0", "0 is out of range")
    assert config("", reader=Reader.blank, limit=3).identity()["limit"] == 3


def test_identity_of_python_is_its_version() -> None:
    assert config("", reader=Reader.python).identity()["path"] == sys.version


@pytest.mark.parametrize("path", ["", "nowhere/at/all"])
def test_identity_refuses_a_missing_path_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        config(path).identity()
    assert caught.value.where == f"documents.path={path or repr(path)}"
    assert not list(tmp_path.iterdir())


def test_a_missing_tokenizer_names_its_key(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in", GOOD)
    with pytest.raises(UserError) as caught:
        DocumentsConfig(path=str(folder), tokenizer=str(tmp_path / "no-model")).identity()
    assert "documents.tokenizer" in caught.value.where


def test_errors_name_the_key_that_a_setting_follows(tmp_path: Path) -> None:
    nowhere, no_model = str(tmp_path / "nowhere"), str(tmp_path / "no-model")
    followed = {"path": "collection", "tokenizer": "model.base"}
    with pytest.raises(UserError) as caught:
        DocumentsConfig(path=nowhere, tokenizer="bundled:all-minilm-l6-v2", origins=followed).identity()
    assert caught.value.where == f"collection={nowhere}"
    with pytest.raises(UserError) as caught:
        DocumentsConfig(path=str(corpus(tmp_path / "in", GOOD)), tokenizer=no_model, origins=followed).identity()
    assert caught.value.where == f"model.base={no_model}"


def test_the_key_that_a_setting_follows_changes_no_passage(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in", GOOD)
    assert config(folder, origins={"path": "collection"}).identity() == config(folder).identity()


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"max_tokens": 8}, "documents.max_tokens=8"),
        ({"overlap_tokens": 300}, "documents.overlap_tokens=300"),
        ({"overlap_tokens": -1}, "documents.overlap_tokens=-1"),
        ({"min_tokens": 257}, "documents.min_tokens=257"),
        ({"limit": -5}, "documents.limit=-5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options: dict[str, int], where: str) -> None:
    with pytest.raises(UserError, match="out of range") as caught:
        config("x", **options)
    assert caught.value.where == where
    assert caught.value.remedy.startswith("set it to ")


def test_one_blank_document_is_tokenized_like_the_others() -> None:
    blank = config("somewhere", limit=7).one_blank()
    assert (blank.reader, blank.limit, blank.path) == (Reader.blank, 1, "")
    assert blank.tokenizer == config("somewhere").tokenizer
