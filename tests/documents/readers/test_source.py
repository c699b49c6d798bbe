"""What a path holds: which reader reads it, and what is wrong with a path that none reads."""

from pathlib import Path

import pytest

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.source import Reader, find_source, read_documents
from engine.errors import UserError
from tests.support.paths import SHARED_DATA
from tests.support.source_files import ANTS, BEES, ROWS, jsonl, put, put_parquet, read

needs_data = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"{SHARED_DATA} is absent")


def test_the_queries_of_a_beir_folder_are_not_documents(tmp_path: Path) -> None:
    put(tmp_path / "corpus.jsonl", jsonl(ROWS[0]))
    put(tmp_path / "queries.jsonl", jsonl({"_id": "q", "text": "who dances?"}))
    assert read(tmp_path) == [BEES]


def put_hub_folder(folder: Path) -> None:
    """A data set as it is cloned from a hub: a card and a licence beside shards in a folder."""
    put(folder / "README.md", "---\nlicense: mit\n---\n# A data set\nIt has bees.")
    put(folder / "LICENSE", "MIT")
    put(folder / ".gitattributes", "*.parquet filter=lfs")
    put(folder / "dataset_infos.json", "{}")
    for number, row in enumerate(ROWS):
        put_parquet(folder / "data" / f"train-{number:05}-of-00002.parquet", [row])


@pytest.mark.parametrize("reader", [Reader.auto, Reader.parquet])
def test_the_data_of_a_cloned_folder_is_read_and_told_not_its_card(tmp_path: Path, reader: Reader) -> None:
    put_hub_folder(tmp_path)
    source = find_source(str(tmp_path), reader)
    assert (source.reader, list(read_documents(source))) == (Reader.parquet, [BEES, ANTS])
    assert list(source.remarks()) == [
        "read are data/train-00000-of-00002.parquet, data/train-00001-of-00002.parquet; left out are README.md"
    ]


def test_the_card_of_a_cloned_folder_is_read_on_demand(tmp_path: Path) -> None:
    put_hub_folder(tmp_path)
    assert [document.id for document in read(tmp_path, Reader.tree)] == ["README.md"]


def test_a_table_beside_a_card_is_read(tmp_path: Path) -> None:
    put(tmp_path / "README.md", "# Data")
    put(tmp_path / "train.jsonl", jsonl(*ROWS))
    assert read(tmp_path) == [BEES, ANTS]
    put(tmp_path / "guide.md", "# A text of its own")
    with pytest.raises(UserError, match="several readers: jsonl and tree"):
        read(tmp_path)


def test_the_corpus_of_a_collection_of_tables_is_read_without_its_queries(tmp_path: Path) -> None:
    put(tmp_path / "README.md", "# A collection")
    put_parquet(tmp_path / "corpus" / "corpus-00000-of-00001.parquet", ROWS)
    put_parquet(tmp_path / "queries" / "queries-00000-of-00001.parquet", [{"_id": "q", "text": "who dances?"}])
    put_parquet(tmp_path / "default" / "test-00000-of-00001.parquet", [{"query-id": "q", "corpus-id": "1", "score": 1}])
    source = find_source(str(tmp_path), Reader.auto)
    assert list(read_documents(source)) == [BEES, ANTS]
    [remark] = source.remarks()
    assert "left out are README.md, default/test-00000-of-00001.parquet, queries/queries-0" in remark


def test_queries_beside_tables_and_texts_are_no_documents(tmp_path: Path) -> None:
    put(tmp_path / "tables" / "docs.jsonl", jsonl(*ROWS))
    put(tmp_path / "texts" / "bees.md", "# Bees")
    for folder in ("tables", "texts"):
        put(tmp_path / folder / "queries.jsonl", jsonl({"_id": "q", "text": "who dances?"}))
    assert read(tmp_path / "tables") == [BEES, ANTS]
    assert [document.id for document in read(tmp_path / "texts")] == ["bees.md"]
    assert list(find_source(str(tmp_path / "tables"), Reader.auto).remarks()) == [
        "read are docs.jsonl; left out are queries.jsonl"
    ]


def test_a_folder_of_queries_alone_says_how_to_read_them(tmp_path: Path) -> None:
    file = put(tmp_path / "queries.jsonl", jsonl(*ROWS))
    with pytest.raises(UserError, match="holds no readable files") as caught:
        read(tmp_path)
    assert "queries.jsonl is taken for queries" in caught.value.remedy
    assert read(file) == [BEES, ANTS]


def test_tables_far_down_beside_texts_are_of_something_else(tmp_path: Path) -> None:
    put(tmp_path / "guide.md", "# Guide")
    put(tmp_path / "tests" / "data.csv", "a,b\n1,2\n")
    put(tmp_path / "settings.json", "{}")
    assert [document.id for document in read(tmp_path)] == ["guide.md"]


def test_json_beside_a_card_is_not_guessed_at(tmp_path: Path) -> None:
    put(tmp_path / "README.md", "# Data")
    put(tmp_path / "train.json", "{}")
    with pytest.raises(UserError, match="several readers: squad and tree"):
        read(tmp_path)


def test_what_is_plain_from_the_path_is_not_told(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", jsonl(*ROWS))
    assert list(find_source(str(tmp_path), Reader.auto).remarks()) == []
    assert list(find_source(str(tmp_path / "a.jsonl"), Reader.auto).remarks()) == []
    assert list(find_source("", Reader.python).remarks()) == []


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
