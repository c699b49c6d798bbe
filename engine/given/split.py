"""Which given rows are held out: by document, never by row.

In: of every row the hashes of its document, texts, query and negative, and the split that its file says. Out: the
side of every row, the name of its group of documents, and the training rows that share something with what is held out.
Rows of equal queries are not joined into one group, as those of equal passages are, since a query that fits everywhere
would chain all documents; a training row whose query is held out is left out instead. So is one whose negative is a
held-out passage, since a model that learned to rank it low would lose where it has learned nothing else. Of a row 25
bytes are held (33 of graded pairs and of triplets), and about ninety while sides are drawn.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from engine.artifacts.documents import equality_text
from engine.given.split_names import HELD_OUT, TRAIN
from engine.given.values import Example
from engine.text.groups import Booleans, draw_held_out, group_documents, smallest_hashes
from engine.text.hashes import Hashes, Integers, mix, query_key, text_hash

_CODES = {"": 0, TRAIN: 1, HELD_OUT: 2}
_STREAM = 0x7061727473
"""Tells the texts of one part of the rows from those of another."""
_NO_QUERY = 0
"""In the place of a query's hash, of forms that have none."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What is known of n rows once all of them are read."""

    held_out: Booleans
    """Whether a row is held out, (n,)."""
    leaks: Booleans
    """Whether a row to train on shares its query with one that is held out, has the passage of one as its negative,
    or shares, where files say what is held out, a document or a text with one, (n,)."""
    groups: Hashes
    """The smallest hash of the texts of the row's group of documents, (n,): the same for all rows of a group, and of no
    row on the other side."""


class RowHashes:
    """What must be known of all rows before any of them has a side. Rows that were rejected are not among them."""

    def __init__(self) -> None:
        self._documents, self._texts, self._queries = array("Q"), array("Q"), array("Q")
        self._negatives = array("Q")
        self._splits = bytearray()

    def __len__(self) -> int:
        return len(self._splits)

    def add(self, example: Example) -> int:
        """Adds a row, and returns the hash of the text that it is about: its passage, or its only text.

        Graded pairs are joined by either of their texts. A row whose file names no document is of the document of its
        text.
        """
        hashes = [text_hash(equality_text("", text)) for text in example.texts]
        self._texts.extend(hashes)
        self._documents.append(text_hash(example.document) if example.document else hashes[-1])
        self._queries.append(text_hash(query_key(example.query)) if example.query else _NO_QUERY)
        if example.negative:
            self._negatives.append(text_hash(equality_text("", example.negative)))
        self._splits.append(_CODES[example.split])
        return hashes[-1]

    def sides(self, seed: int, share: float) -> Sides:
        """Returns the side of every row.

        Where the files say that some rows are held out, and not all, it is those; else whole groups of documents are
        drawn.

        Args:
            seed: another seed holds out other documents.
            share: share of the documents to hold out, 0 to 1.
        """
        documents, splits = np.frombuffer(self._documents, np.uint64), np.frombuffer(self._splits, np.uint8)
        texts = np.frombuffer(self._texts, np.uint64).reshape(len(splits), -1 if len(splits) else 1)
        held_out = splits == _CODES[HELD_OUT]
        leaks = np.zeros(len(splits), np.bool_)
        is_said = bool(held_out.any()) and not held_out.all()
        if is_said:
            shared = np.isin(texts, texts[held_out]).any(axis=1) | np.isin(documents, documents[held_out])
            leaks = shared & ~held_out
        numbers, groups, smallest = _groups(documents, texts, held_out + 2 * leaks)
        if not is_said:
            held_out = draw_held_out(smallest, groups, seed, share)[numbers]
        queries = np.frombuffer(self._queries, np.uint64)
        leaks |= np.isin(queries, queries[held_out & (queries != _NO_QUERY)]) & ~held_out
        if self._negatives:  # all rows have one
            leaks |= np.isin(np.frombuffer(self._negatives, np.uint64), texts[held_out]) & ~held_out
        return Sides(held_out, leaks, smallest[numbers])


def _groups(documents: Hashes, texts: Hashes, parts: Integers) -> tuple[Integers, Integers, Hashes]:
    """Joins the documents of each part that share a text; those of two parts stay apart.

    Where files say what is held out, a row that was left out for what it shares with both sides would else make their
    documents one, under one name.

    Args:
        documents: the hash of each row's document, (n,).
        texts: the hashes of each row's texts, (n, texts).
        parts: the part of each row, 0 to 2, (n,).

    Returns:
        The number of each row's document, (n,); the group of each document; and the smallest hash of that group's
        texts.
    """
    _, named = np.unique(documents, return_inverse=True)
    _, numbers = np.unique(3 * named + parts, return_inverse=True)
    of_texts = np.repeat(numbers, texts.shape[1])
    groups = group_documents(of_texts, mix(texts.ravel(), 0, _STREAM, np.repeat(parts, texts.shape[1])))
    return numbers, groups, smallest_hashes(of_texts, texts.ravel(), groups)
