"""Columns of texts on disk: the same texts come back, and memory does not hold them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.examples import ExamplesFolder
from tests.support.training import write_examples
from training.rows import read_rows
from training.texts import DistinctTexts, Texts


@pytest.mark.parametrize("pieces", [[], [[]], [["Grüße", "", "of bees"], [], ["한국어"]]])
def test_texts_come_back_as_they_were(tmp_path: Path, pieces: list[list[str]]) -> None:
    texts = Texts(tmp_path)
    for piece in pieces:
        texts.add(pa.array(piece, pa.string()))
    whole = texts.whole()
    assert whole.type == pa.large_string()
    assert whole.to_pylist() == [text for piece in pieces for text in piece]


def test_a_part_of_an_array_is_added_alone(tmp_path: Path) -> None:
    texts = Texts(tmp_path)
    texts.add(pa.array(["of wax", "of bees", "of hives", "of honey"]).slice(1, 2))
    assert texts.whole().to_pylist() == ["of bees", "of hives"]


def test_texts_that_come_again_are_held_once(tmp_path: Path) -> None:
    texts = DistinctTexts(tmp_path)
    for piece in (["of bees", "of wax", "of bees"], ["of wax", "of hives"]):
        texts.add(pa.array(piece))
    whole = texts.whole()
    assert whole.to_pylist() == ["of bees", "of wax", "of bees", "of wax", "of hives"]
    assert len(whole.dictionary) == 3


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    texts = Texts(tmp_path)
    texts.add(pa.array(["of bees"]))
    whole = texts.whole()
    del texts
    assert not list(tmp_path.iterdir())
    assert whole.to_pylist() == ["of bees"], "the file lasts as long as the texts do"


def test_memory_does_not_hold_the_texts(tmp_path: Path) -> None:
    count, text = 20_000, "honey " * 200
    texts = Texts(tmp_path)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        for start in range(0, count, 1000):
            texts.add(pa.array([f"{number} {text}" for number in range(start, start + 1000)]))
        whole = texts.whole()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(whole) == count
    assert held + pa.total_allocated_bytes() - before < 64 * count, "a few dozen bytes a text, whatever its length"


def test_training_rows_lie_in_the_folder_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = ExamplesFolder(write_examples(tmp_path / "examples", count=20, documents=10))
    expected = read_rows(examples)
    (tmp_path / "rows").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert read_rows(examples, folder=tmp_path / "rows").equals(expected)
