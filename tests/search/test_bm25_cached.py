"""The cache of BM25's index: built once, whoever asks, and whole or absent."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.search import bm25_cached
from engine.search.analyser import Analyser, make_analyser
from engine.search.bm25 import Bm25Index
from engine.search.bm25_cached import Bm25Parameters, index_words_cached, read_analyser
from tests.support.places import quiet_place

TEXTS = ["how to sort the lists", "", "A heap is a binary tree.", "sorting sorts", "the heap of heaps"]
ENGLISH = Analyser("english")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A documents folder with a passage for each of `TEXTS`, every second one with a title."""
    return write_documents(tmp_path / "0123456789abcdef", TEXTS)


def write_documents(folder: Path, texts: list[str]) -> Path:
    folder.mkdir()
    rows = [
        {"passage_id": f"p{n}", "document_id": f"p{n}", "title": "Title" * (n % 2), "text": text, "position": 0}
        for n, text in enumerate(texts)
    ]
    pq.write_table(
        pa.Table.from_pylist([{**row, "num_tokens": 1} for row in rows], PASSAGES), folder / "passages.parquet"
    )
    return folder


def titled(numbers: list[int]) -> list[str]:
    return [passage_text("Title" * (number % 2), TEXTS[number]) for number in numbers]


def refuse_to_index(*_: object) -> None:
    raise LookupError("words were indexed")


def assert_same(index: Bm25Index, expected: Bm25Index) -> None:
    assert index.ids == expected.ids
    for query in ("sorted lists", "heap", "the title", "nowhere"):
        np.testing.assert_array_equal(index.scores(query), expected.scores(query))


@pytest.mark.parametrize("batch", [2, 100])
def test_the_index_is_that_of_the_passages(
    batch: int, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bm25_cached, "_BATCH_PASSAGES", batch)
    place, every = quiet_place(tmp_path), [0, 1, 2, 3, 4]
    whole = Bm25Index([f"p{n}" for n in every], titled(every), 0.9, 0.4, ENGLISH.terms)
    assert_same(index_words_cached(documents, ENGLISH, place, Bm25Parameters(0.9, 0.4)), whole)
    some = Bm25Index(["p0", "p3", "p4"], titled([0, 3, 4]), terms_of=ENGLISH.terms)
    assert_same(index_words_cached(documents, ENGLISH, place, rows=np.array([0, 3, 4])), some)


def test_words_are_indexed_once(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = quiet_place(tmp_path)
    first = index_words_cached(documents, ENGLISH, place)
    monkeypatch.setattr("engine.search.bm25._build", refuse_to_index)
    link = tmp_path / "documents"
    link.symlink_to(documents)
    assert_same(index_words_cached(link, Analyser("english"), place, rows=np.arange(5)), first)


@pytest.mark.parametrize("change", ["k1", "b", "language", "rows", "bm25s", "PyStemmer"])
def test_what_changes_a_score_makes_another_index(
    change: str, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = quiet_place(tmp_path)
    index_words_cached(documents, ENGLISH, place)
    monkeypatch.setattr("engine.search.bm25._build", refuse_to_index)
    monkeypatch.setattr("engine.search.analyser.version", lambda name: "0" if name == change else version(name))
    parameters = {"k1": Bm25Parameters(k1=2.0), "b": Bm25Parameters(b=0.1)}.get(change, Bm25Parameters())
    analyser = Analyser("german") if change == "language" else ENGLISH
    with pytest.raises(LookupError, match="were indexed"):
        index_words_cached(documents, analyser, place, parameters, np.arange(4) if change == "rows" else None)


def test_an_interrupted_index_counts_for_nothing(
    documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(index: Bm25Index, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    place = quiet_place(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Bm25Index, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            index_words_cached(documents, ENGLISH, place)
    assert index_words_cached(documents, ENGLISH, place).scores("heap").any()
    [folder] = [path for path in (place.store_dir / "bm25").iterdir() if path.is_dir()]
    assert not (folder / "half").exists()


def test_no_passages(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "0123456789abcdef", [])
    assert index_words_cached(documents, ENGLISH, quiet_place(tmp_path)).search(["x"], 5)[0].shape == (1, 0)


@pytest.mark.parametrize("count", [0, 1, 3, 900])
def test_a_language_is_found_in_the_passages_that_it_would_be_found_in(count: int, tmp_path: Path) -> None:
    languages = ["the heap of the trees is in the list", "der Baum und die Liste ist nicht das", "x = 1"]
    texts = [languages[number % 7 % 3] for number in range(count)]
    documents = DocumentsFolder(write_documents(tmp_path / "d", texts))
    rows = np.arange(count)[count % 2 :: 2]
    whole = [passage_text("Title" * (row % 2), texts[row]) for row in rows]
    assert read_analyser("auto", documents, rows).language == make_analyser("auto", whole).language
    assert read_analyser("german", documents, rows).language == "german"
