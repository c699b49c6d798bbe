"""Passages of equal text, which no search can tell apart, as one text that stands in several documents.

In: the hash of each passage's text, and the number of its document. Out: the distinct texts, and which documents hold
each. Where queries were written from passages, a rank that counted a copy of the source as a rival, or one rival twice,
would say how often texts are repeated and not how well they are found; so the round trip, hard negatives and the
figures on synthetic queries go by texts. Judged collections do not: their judgements name ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.order import Rows
from engine.text.hashes import Hashes


@dataclass(frozen=True)
class EqualTexts:
    """The distinct texts of n passages, numbered by where they first stand."""

    first: Rows
    """The first passage with each text, ascending, (texts,)."""
    text_of: Rows
    """The number of each passage's text, (n,)."""
    num_documents: int
    holdings: Rows
    """text * num_documents + document for every pair of a text and a document that holds it, ascending."""

    @property
    def all_differ(self) -> bool:
        """Tells whether no text is repeated, so that texts are numbered as their passages."""
        return len(self.first) == len(self.text_of)

    def are_in(self, texts: Rows, documents: Rows) -> NDArray[np.bool_]:
        """Tells whether texts stand in documents, both given by number, in any shapes that broadcast.

        A text below 0 is none, and so is a document that is not from 0 to `num_documents`: they hold nothing.
        """
        texts, documents = np.broadcast_arrays(texts, documents)
        wanted = texts * self.num_documents + documents
        places = np.minimum(np.searchsorted(self.holdings, wanted), len(self.holdings) - 1)
        is_held: NDArray[np.bool_] = (self.holdings[places] == wanted) & (texts >= 0)
        is_held &= (documents >= 0) & (documents < self.num_documents)
        return is_held

    def originals(self) -> Rows:
        """Returns for each document the first one that holds the same texts and no other, (num_documents,)."""
        texts, documents = np.divmod(self.holdings, self.num_documents)
        ends = np.cumsum(np.bincount(documents, minlength=self.num_documents))[:-1]
        held = np.split(texts[np.argsort(documents, kind="stable")], ends)
        first_with: dict[bytes, int] = {}
        return np.array([first_with.setdefault(part.tobytes(), row) for row, part in enumerate(held)], np.int64)


def find_equal_texts(hashes: Hashes, document_of: Rows) -> EqualTexts:
    """Finds the passages of equal text.

    Args:
        hashes: of each passage's text, (n,); n is 1 or more. Two texts of equal hash, one pair in 10^19, count as one.
        document_of: the number of each passage's document, from 0 on, (n,).
    """
    assert len(hashes) == len(document_of), f"{len(hashes)} texts in {len(document_of)} passages"
    _, first, by_hash = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    text_of = numbers[by_hash]
    num_documents = int(document_of.max()) + 1
    return EqualTexts(first[order], text_of, num_documents, np.unique(text_of * num_documents + document_of))
