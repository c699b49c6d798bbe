"""What a path holds: which reader reads it, and what is wrong with a path that none reads."""

from pathlib import Path

import pytest

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.source import Reader, find_source, read_documents
from engine.errors import UserError
from tests.support.paths import SHARED_DATA
from tests.support.source_files import BEES, ROWS, jsonl, put, read

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"{SHARED_DATA} is absent")


def test_the_queries_of_a_beir_folder_are_not_documents(tmp_path: Path) -> None:
    put(tmp_path / "corpus.jsonl", jsonl(ROWS[0]))
    put(tmp_path / "queries.jsonl", jsonl({"_id": "q", "text": "who dances?"}))
    assert read(tmp_path) == [BEES]


def test_blank_documents_are_numbers_without_end() -> None:
    documents = read_documents(find_source("", Reader.blank))
    assert [next(documents) for _ in range(2)] == [
        SourceDocument("blank-0000001", "", "1"),
        SourceDocument("blank-0000002", "", "2"),
    ]


def test_python_reads_the_interpreter() -> None:
    documents = read_documents(find_source("", Reader.python))
    assert isinstance(next(documents), SourceDocument)


@pytest.mark.parametrize(
    ("path", "reader", "what", "remedy"),
    [
        ("", Reader.auto, "no documents are named", "collection="),
        ("missing/deep", Reader.auto, "does not exist", "exist up to"),
        ("missing", Reader.jsonl, "does not exist", "exist up to"),
        ("empty", Reader.auto, "holds no readable files", ".txt"),
        ("empty", Reader.parquet, "holds no readable files (.parquet)", "documents.reader"),
        ("empty", Reader.beir, "holds no corpus.jsonl", "BEIR folder"),
        ("mixed", Reader.auto, "several readers: jsonl and tree", "documents.reader="),
        ("jsons", Reader.auto, "holds 2 JSON files", "one of them"),
        ("mixed/a.bin", Reader.auto, "'.bin' tells no reader", "documents.reader"),
        ("mixed", Reader.python, "not read by documents.reader=python", "documents.reader=auto"),
    ],
)
def test_a_wrong_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reader: Reader, what: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("mixed/a.jsonl", "mixed/sub/b.md", "mixed/a.bin", "jsons/a.json", "jsons/b.json"):
        put(tmp_path / name, "")
    with pytest.raises(UserError) as caught:
        find_source(path, reader)
    assert what in caught.value.what
    assert caught.value.where == f"documents.path={path or repr(path)}"
    assert remedy in caught.value.remedy


@needs_data
@pytest.mark.parametrize(
    ("name", "reader", "count"), [("cranfield", "beir", 1400), ("cacm", "beir", 3204), ("korquad", "squad", 961)]
)
def test_real_collections(name: str, reader: str, count: int) -> None:
    """KorQuAD has 964 paragraphs, three of which repeat others."""
    source = find_source(str(SHARED_DATA / name), Reader.auto)
    assert source.reader.value == reader
    ids = [document.id for document in read_documents(source)]
    assert len(ids) == len(set(ids)) == count
