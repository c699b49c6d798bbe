"""The start of texts, as the page and the terminal show them.

In: texts of any length, or the passages of a run. Out: short lines.
"""

from __future__ import annotations

from eval.retrieval.corpus import Corpus

EXCERPT_CHARACTERS = 280
"""The characters that are shown of a passage."""


def excerpt(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """Returns the start of a text on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    start, _, _ = line[: characters + 1].rpartition(" ")
    return f"{start or line[:characters]} …"


def first_passages(corpus: Corpus) -> dict[str, str]:
    """Returns the first passage of each document, with the title in front, by document id."""
    passages: dict[str, str] = {}
    for document, title, text in zip(corpus.document_ids, corpus.titles, corpus.texts, strict=True):
        passages.setdefault(document, f"{title}: {text}" if title and not text.startswith(title) else text)
    return passages
