"""The step that finds candidates, on a BERT of two small layers and real BM25."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.teacher import Scored, TeacherFolder
from engine.errors import UserError
from tests.support.places import quiet_place
from tests.support.taught import candidates_config, write_candidates, write_folders
from tests.support.training import write_documents
from training.teachers import step
from training.teachers.queries import query_ids
from training.teachers.step import find_candidates


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Twenty documents with two queries each, of which document 0 is held out."""
    return write_folders(tmp_path_factory.mktemp("folders"))


def documents_of(scored: Scored, folder: Path) -> list[list[str]]:
    names = DocumentsFolder(folder).passages(["document_id"])["document_id"].to_pylist()
    return [[names[row] for row in rows] for rows in scored.candidates.tolist()]


def test_every_query_has_its_own_passage_and_others_that_search_found(
    folders: dict[str, Path], base: Path, tmp_path: Path
) -> None:
    record = write_candidates(tmp_path / "teacher", folders, candidates_config(base))
    scored, examples = TeacherFolder(tmp_path / "teacher").read(), ExamplesFolder(folders["examples"])
    own = [name for batch in examples.training(["document_id"]) for name in batch["document_id"].to_pylist()]
    candidates = documents_of(scored, folders["documents"])
    assert scored.ids.tolist() == query_ids(examples, ()).tolist()
    assert [names[0] for names in candidates] == own
    assert all(len(set(names)) == 5 for names in candidates)
    assert all("d0" not in names for names, source in zip(candidates, own, strict=True) if source != "d0")
    assert np.isfinite(scored.scores).all()
    assert (record.queries, record.candidates, record.drawn) == (39, 5, 0)
    assert record.own_first > 0.5, "three words of a passage find it by BM25"
    assert (scored.scores[:, 1] >= scored.scores[:, 2]).all(), "the top in its order"


def test_neither_parts_nor_copies_change_a_candidate(
    folders: dict[str, Path], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with queries searched four at a time; then with a copy of every document."""
    write_candidates(tmp_path / "whole", folders, candidates_config(base))
    monkeypatch.setattr(step, "_QUERIES_AT_ONCE", 4)
    write_candidates(tmp_path / "parts", folders, candidates_config(base))
    whole, parts = (TeacherFolder(tmp_path / name).read() for name in ("whole", "parts"))
    assert whole.candidates.tolist() == parts.candidates.tolist()
    assert np.allclose(whole.scores, parts.scores, atol=1e-5)


def test_a_copy_of_a_passage_is_neither_a_candidate_beside_it_nor_a_negative(base: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folders = write_folders(tmp_path)
    file = write_documents(tmp_path / "documents", documents=20) / "passages.parquet"
    table = pq.read_table(file)
    copies = [
        row | {"passage_id": f"copy of {row['passage_id']}", "document_id": f"copy of {row['document_id']}"}
        for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist([*table.to_pylist(), *copies], table.schema), file)
    write_candidates(tmp_path / "teacher", folders, candidates_config(base))
    passages = DocumentsFolder(folders["documents"]).passages(["text"])["text"].to_pylist()
    for rows in TeacherFolder(tmp_path / "teacher").read().candidates.tolist():
        assert len({passages[row] for row in rows}) == 5


@pytest.mark.parametrize("words", [0.0, 1.0])
def test_one_of_words_and_meaning_may_search_alone(
    folders: dict[str, Path], base: Path, tmp_path: Path, words: float
) -> None:
    write_candidates(tmp_path / "teacher", folders, candidates_config(base, words=words))
    assert TeacherFolder(tmp_path / "teacher").read().candidates.shape == (39, 5)
    assert (tmp_path / "store" / "bm25").exists() == bool(words)
    assert (tmp_path / "store" / "embeddings").exists() == (words < 1)


def test_fewer_passages_than_candidates_are_told_and_enough(base: Path, tmp_path: Path) -> None:
    folders, place = write_folders(tmp_path, documents=5, examples=20), quiet_place(tmp_path)
    output = tmp_path / "teacher"
    output.mkdir()
    record = find_candidates(candidates_config(base), folders, output, place)
    assert record.candidates == 4, "of five documents one is held out"
    said = place.console.rich.file.getvalue()  # type: ignore[attr-defined]
    assert "4 candidates a query instead of 5: too few passages" in said
    few = write_folders(tmp_path / "few", documents=2, examples=9)
    with pytest.raises(UserError, match="no other text is left"):
        find_candidates(candidates_config(base), few, output, place)
