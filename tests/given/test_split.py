"""Rows are held out by document, never by row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest

from engine.given.split import RowHashes, Sides
from engine.given.values import Example


def sides(rows: Sequence[tuple[tuple[str, ...], str, str]], share: float = 0.3) -> Sides:
    hashes = RowHashes()
    for texts, document, split in rows:
        hashes.add(Example({}, document, split, "", texts))
    assert len(hashes) == len(rows)
    return hashes.sides(0, share)


def test_rows_of_one_passage_are_on_one_side_whatever_its_white_space() -> None:
    rows = [((f"passage{' ' * (1 + row % 2)}{row // 4}",), "", "") for row in range(4000)]
    drawn = sides(rows)
    by_passage = drawn.held_out.reshape(1000, 4)
    assert (by_passage == by_passage[:, :1]).all()
    assert 0.25 < drawn.held_out.mean() < 0.35
    assert not drawn.leaks.any()
    assert len(np.unique(drawn.groups)) == 1000


def test_a_text_is_on_one_side_whether_its_letters_are_one_character_or_several() -> None:
    rows = [((unicodedata.normalize(form, f"꿀벌 {row}"),), "", "") for row in range(100) for form in ("NFC", "NFD")]
    by_passage = sides(rows).held_out.reshape(100, 2)
    assert (by_passage[:, 0] == by_passage[:, 1]).all()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_held_out_query_is_not_trained_on_in_other_characters(form: str) -> None:
    hashes = RowHashes()
    hashes.add(Example({}, "", "validation", "", ("p",), query="Was heißt é?"))
    hashes.add(Example({}, "", "train", "", ("other",), query=unicodedata.normalize(form, "was heisst É?")))
    assert hashes.sides(0, 0.5).leaks.tolist() == [False, True]


def test_documents_that_share_a_passage_are_one() -> None:
    rows = [((f"p{row}",), f"d{row // 2}", "") for row in range(200)] + [(("p0",), "d50", "")]
    drawn = sides(rows)
    assert drawn.held_out[0] == drawn.held_out[1] == drawn.held_out[100] == drawn.held_out[101] == drawn.held_out[200]
    assert len({int(drawn.groups[row]) for row in (0, 1, 100, 101, 200)}) == 1


def test_graded_pairs_are_joined_by_either_text() -> None:
    chains = [[(f"{row}a", f"{row}b"), (f"{row}c", f"{row}b"), (f"{row}c", f"{row}d")] for row in range(500)]
    drawn = sides([(texts, "", "") for chain in chains for texts in chain])
    by_chain = drawn.held_out.reshape(500, 3)
    assert (by_chain == by_chain[:, :1]).all()
    assert 0.2 < drawn.held_out.mean() < 0.4


def test_a_split_of_the_files_is_kept_and_what_leaks_is_told() -> None:
    rows = [
        (("a",), "", "train"),
        (("b",), "", "validation"),
        (("b ",), "", "train"),
        (("c",), "x", "validation"),
        (("d",), "x", ""),
        (("e",), "", ""),
    ]
    drawn = sides(rows)
    assert drawn.held_out.tolist() == [False, True, False, True, False, False]
    assert drawn.leaks.tolist() == [False, False, True, False, True, False]


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_that_leaks_joins_no_documents_of_both_sides(order: int) -> None:
    texts = [("a", "b"), ("b", "c"), ("c", "d"), ("e", "f"), ("f", "g")][::order]
    splits = ["train", "train", "validation", "train", "train"][::order]
    drawn = sides([(pair, "", split) for pair, split in zip(texts, splits, strict=True)])
    rows = [texts.index(pair) for pair in (("a", "b"), ("c", "d"), ("e", "f"), ("f", "g"))]
    assert drawn.leaks.tolist() == [pair == ("b", "c") for pair in texts]
    trained, held_out, fourth, fifth = drawn.groups[rows].tolist()
    assert trained != held_out, "what is trained on is no part of a held-out document"
    assert fourth == fifth, "rows of one side that share a text are of one"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_one_side_alone_is_no_split(split: str) -> None:
    drawn = sides([((f"p{row}",), "", split) for row in range(500)])
    assert 0.2 < drawn.held_out.mean() < 0.4


def test_no_rows_have_no_sides() -> None:
    assert sides([]).held_out.tolist() == []


@pytest.mark.parametrize("split", ["", "validation"])
def test_a_query_that_is_held_out_is_not_trained_on_with_another_passage(split: str) -> None:
    hashes = RowHashes()
    for row in range(400):
        hashes.add(Example({}, "", split if row < 40 else "", "", (f"p{row}",), f"query {row % 200}"))
    hashes.add(Example({}, "", "", "", ("p400",), "Query  1"))
    hashes.add(Example({}, "", "", "", ("p401",), "query of its own"))
    drawn = hashes.sides(0, 0.1)
    asked = [row % 200 for row in range(400)] + [1, 999]
    held_out = {asked[row] for row in np.flatnonzero(drawn.held_out)}
    assert held_out
    expected = [number in held_out and not out for number, out in zip(asked, drawn.held_out, strict=True)]
    assert drawn.leaks.tolist() == expected
    assert any(expected)


def test_no_held_out_passage_is_the_negative_of_a_training_row() -> None:
    hashes, passages = RowHashes(), [f"passage {row}" for row in range(200)]
    for row, passage in enumerate(passages):
        negative = passages[(row + 1) % 200].upper() if row % 2 else f" {passages[(row + 1) % 200]}"
        hashes.add(Example({}, "", "", "", (passage,), f"query {row}", negative))
    drawn = hashes.sides(0, 0.3)
    assert drawn.held_out.any()
    is_same = np.arange(200) % 2 == 0  # what differs in case is another text
    assert np.array_equal(drawn.leaks, np.roll(drawn.held_out, -1) & ~drawn.held_out & is_same)
