"""A system has one name for people, and one that nobody knows keeps its own."""

from eval.sweeps.names import system_name


def test_names() -> None:
    assert system_name("base_words") == "base + words"
    assert system_name("bm25") == "BM25"
    assert system_name("of another version") == "of another version"
