"""Pieces of documentation: what stays together, their sizes, and that nothing is lost."""

from __future__ import annotations

from engine.documents.readers.python_docs_pieces import (
    PASSAGE_WORDS,
    normalised,
    num_words,
    passages,
    split,
    units,
    without_rule,
    without_tables,
)


def test_units_keep_headings_and_announced_blocks() -> None:
    text = "Loops\n*****\n\nLike this:\n\n   for x in y:\n\nThe end."
    assert units(text) == ["Loops\n*****\n\nLike this:\n\n   for x in y:", "The end."]
    assert without_rule(text).startswith("Loops\n\nLike")


def test_passages_stay_near_the_wanted_size_and_lose_nothing() -> None:
    text = "\n\n".join(f"{number} " + "word " * 39 for number in range(23))
    pieces = passages(text)
    assert normalised(" ".join(pieces)) == normalised(text)
    assert all(PASSAGE_WORDS[0] <= num_words(piece) <= PASSAGE_WORDS[1] for piece in pieces)


def test_split_numbers_the_pieces_of_a_long_text_only() -> None:
    text = "\n\n".join(["word " * 120] * 3)
    ids = [document.id for document in split("decimal", text, above=350)]
    assert ids == ["decimal.1", "decimal.2", "decimal.3"]
    assert [document.id for document in split("decimal", text, above=400)] == ["decimal"]


def test_tables_become_rows() -> None:
    table = "+-----+-----+\n| a   | b   |\n|=====|=====|\n| c   | d   |\n+-----+-----+"
    assert units(without_tables(table)) == ["a | b", "c | d"]
