"""Texts on the disk are those that were written, whatever pieces they came in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import BrokenInvariantError
from engine.storage.texts import ChosenTexts, Texts, TextWriter

WORDS = ["bees", "", "Grüße", "a\0b", "漢字", "x" * 1000]


def write(file: Path, *pieces: pa.Array) -> Texts:
    with TextWriter(file) as writer:
        for piece in pieces:
            writer.add(piece)
    return Texts(file)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_are_taken_by_number(kind: pa.DataType, tmp_path: Path) -> None:
    array = pa.array(["before", *WORDS, "after"], kind)
    texts = write(tmp_path / "texts", array[1:4], array[:0], array[4:7])
    assert len(texts) == len(WORDS)
    taken = texts.take(pa.array([5, 0, 0, 2, 1]))
    assert taken.type == pa.large_string(), "a column of 2 GiB and more is one piece"
    assert taken.to_pylist() == [WORDS[number] for number in (5, 0, 0, 2, 1)]
    assert texts.take(pa.array([], pa.int64())).to_pylist() == []
    taken.validate(full=True)


def test_no_texts_and_empty_ones(tmp_path: Path) -> None:
    assert len(write(tmp_path / "none")) == 0
    assert write(tmp_path / "empty", pa.array(["", ""])).take(pa.array([1])).to_pylist() == [""]


def test_a_missing_text_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariantError, match="1 of 2 texts"):
        write(tmp_path / "texts", pa.array(["a", None]))


def test_chosen_texts_are_a_sequence_of_strings_and_a_column(tmp_path: Path) -> None:
    chosen = ChosenTexts(write(tmp_path / "texts", pa.array(WORDS)), np.array([4, 2, 0]))
    assert list(chosen) == ["漢字", "Grüße", "bees"]
    assert (chosen[np.int64(1)], chosen[-1], chosen[1:]) == ("Grüße", "bees", ["Grüße", "bees"])
    assert chosen.take(pa.array([2, 2])).to_pylist() == ["bees", "bees"]
