"""Texts are shown on one line, and a document by its first passage."""

from __future__ import annotations

from eval.page.texts import excerpt, first_passages
from eval.retrieval.corpus import Corpus


def test_an_excerpt_is_one_line_cut_at_a_word() -> None:
    assert excerpt("one\n two   three", 100) == "one two three"
    assert excerpt("one two three", 8) == "one two …"
    assert excerpt("x" * 30, 8) == "xxxxxxxx …"


def test_a_document_is_its_first_passage_with_its_title() -> None:
    corpus = Corpus(list("123"), ["a", "a", "b"], ["T", "T", "red"], ["one", "two", "red hen"])
    assert first_passages(corpus) == {"a": "T: one", "b": "red hen"}
