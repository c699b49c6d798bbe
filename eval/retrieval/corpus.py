"""All passages of a run, row by row, as systems find them and measurements read them.

In: a finished documents folder. Out: a Corpus, which knows the document of each row and which texts are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.artifacts.documents import DocumentsFolder, equality_text, passage_text
from engine.search.equal_texts import EqualTexts, find_equal_texts
from engine.search.order import Rows, id_ranks
from engine.text.hashes import text_hash

SYSTEMS = ("bm25", "base", "tuned")
"""Names of the systems, in the order of every table."""


def with_words(model: str) -> str:
    """Returns the name of the system that searches by words and by an encoder, base or tuned."""
    return f"{model}_words"


@dataclass(frozen=True)
class Corpus:
    """All passages of a run, row by row.

    Attributes:
        passage_ids: unique ids of the n passages.
        document_ids: the document of each passage, n of them.
        titles: the title of each passage, possibly empty, n of them.
        texts: the text of each passage without its title, n of them.
    """

    passage_ids: list[str]
    document_ids: list[str]
    titles: list[str]
    texts: list[str]

    def encoded_texts(self) -> list[str]:
        """Returns the text that BM25 and the encoders read of each passage."""
        return [passage_text(title, text) for title, text in zip(self.titles, self.texts, strict=True)]

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Returns document id -> number, from 0 on in the order of their first passages."""
        return {name: number for number, name in enumerate(dict.fromkeys(self.document_ids))}

    @cached_property
    def document_of(self) -> Rows:
        """Returns the number of each passage's document, (n,)."""
        return np.array([self.number_of[name] for name in self.document_ids], np.int64)

    @cached_property
    def ranks_of_ids(self) -> Rows:
        """Returns the order of the passages by their ids, which is that of passages with equal scores, (n,)."""
        return id_ranks(self.passage_ids)

    @cached_property
    def equal_texts(self) -> EqualTexts:
        """Tells which passages have the same text, title included."""
        hashes = map(text_hash, map(equality_text, self.titles, self.texts))
        return find_equal_texts(np.fromiter(hashes, np.uint64, len(self.texts)), self.document_of)

    @cached_property
    def original_of(self) -> dict[str, str]:
        """Returns document id -> id of the first document with the same texts: its own, unless it is a copy."""
        names = list(self.number_of)
        return {name: names[first] for name, first in zip(names, self.equal_texts.originals(), strict=True)}


def read_corpus(folder: Path) -> Corpus:
    """Reads all passages of a finished documents folder."""
    columns = ["passage_id", "document_id", "title", "text"]
    table = DocumentsFolder(folder).passages(columns)
    return Corpus(*(table.column(name).to_pylist() for name in columns))
