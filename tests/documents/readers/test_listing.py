"""Which files of a folder can hold documents, and which never do: hidden ones, and what synthmill itself wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.documents.config import DocumentsConfig
from engine.documents.readers.listing import benchmark_files, data_files, is_about_data, other_files, tree_files
from engine.runtime.identity import identity_of
from engine.storage.run_folders import begin_run, link, remember_run
from engine.storage.store import DONE, Store
from tests.support.source_files import ROWS, jsonl, put, put_parquet, read


def names(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in tree_files(folder)]


def write_run(runs: Path, *, finished: bool) -> Store:
    """Leaves what a run leaves: its folder, the store with a report and passages, and links."""
    store = Store(runs / "store")
    for noun in ("documents", "report"):
        folder = store.reserve(noun, "0123456789abcdef")
        with store.producing(folder, keep=True):
            put(folder / "report.html", "<p>A report</p>")
            put_parquet(folder / "passages.parquet", ROWS)
        if finished:
            put(folder / DONE, "")
    begin_run(runs / "demo", "name: demo\n")
    put(runs / "demo" / "notes.md", "written by a person into the run folder")
    link(runs / "demo", "report", folder)
    remember_run(store.root, runs / "demo")
    return store


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("place", ["runs", "work/deep/runs"])
def test_runs_and_their_store_are_no_documents_and_change_no_identity(
    tmp_path: Path, place: str, finished: bool
) -> None:
    put(tmp_path / "guide.md", "# Guide\nReal words.")
    config = DocumentsConfig(path=str(tmp_path), tokenizer="bundled:all-minilm-l6-v2")
    before = identity_of(config)
    write_run(tmp_path / place, finished=finished)
    assert names(tmp_path) == ["guide.md"]
    assert data_files(tmp_path, (".parquet",)) == []
    assert other_files(tmp_path) == {}
    assert identity_of(config) == before
    assert [document.id for document in read(tmp_path)] == ["guide.md"]


def test_a_store_whose_locks_were_left_behind_is_known_by_its_finished_folders(tmp_path: Path) -> None:
    store = write_run(tmp_path / "runs", finished=True)
    for lock in store.root.rglob(".*.lock"):
        lock.unlink()
    assert names(tmp_path) == []


def test_folders_of_the_same_names_that_hold_documents_are_read(tmp_path: Path) -> None:
    put(tmp_path / "store" / "documents" / "0123456789abcdef" / "a.md", "of a shop")
    put(tmp_path / "store" / "report" / "b.md", "of a shop too")
    put(tmp_path / "jobs" / "run.json", '["somebody else\'s"]')
    put(tmp_path / "jobs" / "c.md", "beside a file of that name")
    assert names(tmp_path) == ["jobs/c.md", "store/documents/0123456789abcdef/a.md", "store/report/b.md"]


def test_hidden_files_and_version_control_are_neither_read_nor_in_the_digest(tmp_path: Path) -> None:
    put(tmp_path / "a.txt", "words")
    config = DocumentsConfig(path=str(tmp_path), tokenizer="bundled:all-minilm-l6-v2")
    before = identity_of(config)
    for name in (".git/HEAD.txt", ".notes.md", "sub/.cache/b.txt", "scan.pdf"):
        put(tmp_path / name, "x")
    assert identity_of(config) == before, "the digest covers what is read, and nothing else"
    assert [document.id for document in read(tmp_path)] == ["a.txt"]
    put(tmp_path / "sub" / "b.txt", "more")
    assert identity_of(config) != before
    assert [document.id for document in read(tmp_path)] == ["a.txt", "sub/b.txt"]


def test_files_of_other_kinds_are_counted(tmp_path: Path) -> None:
    for name in ("a.txt", "b.pdf", "sub/c.PDF", "sub/README", ".hidden.pdf", ".git/d.pdf"):
        put(tmp_path / name, "x")
    assert other_files(tmp_path) == {".pdf": 2, "without ending": 1}


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    put(tmp_path / "a.txt", "words")
    assert [document.id for document in read(tmp_path)] == ["a.txt"]


def test_tables_in_the_folder_come_first_and_queries_are_none(tmp_path: Path) -> None:
    for name in ("z.jsonl", "data/a.jsonl", "_SUCCESS.jsonl", "queries.jsonl", "data/qrels-00000-of-00001.jsonl"):
        put(tmp_path / name, jsonl(ROWS[0]))
    put(tmp_path / "queries" / "part.jsonl", jsonl(ROWS[1]))
    listed = [file.relative_to(tmp_path).as_posix() for file in data_files(tmp_path, (".jsonl",))]
    assert listed == ["z.jsonl", "data/a.jsonl"]
    assert [file.relative_to(tmp_path).as_posix() for file in benchmark_files(tmp_path)] == [
        "data/qrels-00000-of-00001.jsonl",
        "queries/part.jsonl",
        "queries.jsonl",
    ]


@pytest.mark.parametrize("name", ["README.md", "readme.txt", "README_zh.md", "LICENSE", "LICENCE.txt", "NOTICE.md"])
def test_names_of_files_about_data(name: str) -> None:
    assert is_about_data(Path("folder", name))
    assert not is_about_data(Path("folder", f"a-{name}"))


@pytest.mark.parametrize("name", ["readmes-of-projects.md", "notice-of-2021.md", "guide.md"])
def test_names_of_documents(name: str) -> None:
    assert not is_about_data(Path(name))
