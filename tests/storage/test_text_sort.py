"""Rows come out in the byte order of their texts, each once, whatever fits into memory."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import BrokenInvariantError
from engine.storage import text_sort
from engine.storage.text_sort import sort_by_text

ENOUGH = 1 << 30
"""More than any test has."""


def tables(texts: Sequence[str], rows_of_table: int = 7) -> Iterator[pa.Table]:
    """Texts with their numbers, in tables of a few rows."""
    for start in range(0, len(texts), rows_of_table):
        piece = texts[start : start + rows_of_table]
        yield pa.table({"row": range(start, start + len(piece)), "text": piece})


def order(texts: Sequence[str], folder: Path, memory_bytes: int, rows_of_table: int = 7) -> list[int]:
    """The numbers of texts in the order that is found."""
    pieces = list(sort_by_text(tables(texts, rows_of_table), "text", folder, memory_bytes))
    assert [texts[row] for piece in pieces for row in piece["row"].to_pylist()] == [
        text for piece in pieces for text in piece["text"].to_pylist()
    ], "all columns of a row stay together"
    return [row for piece in pieces for row in piece["row"].to_pylist()]


def made(seed: int) -> list[str]:
    """Texts that often begin alike or are equal, of characters of one to four bytes."""
    rng = random.Random(seed)
    characters = ["ab", "aé한𝄞\0\x7f", "abcdefgh"][seed % 3]
    common = "x" * rng.choice([0, 3, 300])
    longest = rng.choice([2, 6, 200])
    count = rng.randrange(1, 250)
    return [common + "".join(rng.choices(characters, k=rng.randrange(longest))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_that_of_bytes_and_equal_texts_keep_theirs(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = made(seed)
    expected = sorted(range(len(texts)), key=lambda row: (texts[row].encode(), row))
    assert order(texts, tmp_path / "memory", ENOUGH) == expected
    assert order(texts, tmp_path / "files", memory_bytes=3000) == expected
    monkeypatch.setattr(text_sort, "_PIECE_BYTES", 500)
    monkeypatch.setattr(text_sort, "_SAMPLE_ROWS", 20)
    assert order(texts, tmp_path / "pieces", ENOUGH, rows_of_table=1000) == expected
    assert order(texts, tmp_path / "files", memory_bytes=5000, rows_of_table=1) == expected
    assert list(tmp_path.iterdir()) == [], "no file stays"


@pytest.mark.parametrize("memory_bytes", [100, ENOUGH])
def test_one_text_many_times_ends(memory_bytes: int, tmp_path: Path) -> None:
    texts = ["the same, more than fits into memory"] * 50
    assert order(texts, tmp_path / "files", memory_bytes) == list(range(50))


@pytest.mark.parametrize("memory_bytes", [1, ENOUGH])
def test_no_rows_and_empty_texts(memory_bytes: int, tmp_path: Path) -> None:
    assert order([], tmp_path / "files", memory_bytes) == []
    assert order(["", "a", ""], tmp_path / "files", memory_bytes) == [0, 2, 1]
    assert list(sort_by_text([pa.table({"text": pa.array([], pa.string())})], "text", tmp_path / "files", 1)) == []


def test_texts_may_be_of_more_than_two_gigabytes_together(tmp_path: Path) -> None:
    [piece] = sort_by_text([pa.table({"text": ["b", "a"], "other": ["1", "2"]})], "text", tmp_path / "files", ENOUGH)
    assert piece.schema.types == [pa.large_string(), pa.large_string()]
    assert piece["other"].to_pylist() == ["2", "1"]


def test_a_missing_text_is_a_defect(tmp_path: Path) -> None:
    rows = pa.table({"text": ["a", None, "b"]})
    with pytest.raises(BrokenInvariantError, match="1 of 3 rows have no text"):
        list(sort_by_text([rows], "text", tmp_path / "files", ENOUGH))


def test_texts_that_come_in_their_order_are_dealt_out_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows are then the lowest ones, and all others lie behind the last of their quantiles."""
    texts = [f"{number:06d}" + "x" * 100 for number in range(4000)]
    written: list[int] = []

    def counted(*arguments: Any) -> Any:
        ranges = deal_out(*arguments)
        written.append(sum(dealt.num_rows for dealt in ranges.values()))
        on_disk.append(sum(file.stat().st_size for file in tmp_path.rglob("*.arrow")))
        return ranges

    on_disk: list[int] = []
    deal_out = text_sort._deal_out
    monkeypatch.setattr(text_sort, "_deal_out", counted)
    assert order(texts, tmp_path / "files", memory_bytes=8000, rows_of_table=50) == list(range(4000))
    assert sum(written) < 4 * len(texts), "every level writes its rows once more"
    assert max(on_disk) < 4 * len(texts) * len(texts[0])
