"""Groups of documents that share a text, and which of them are held out: no text is on both sides of a split.

In: the document and the hash of every text. Out: the group of each document, and whether it is held out. Documents with
an equal text form a group, and so do those that are joined by a third. The side is drawn from the smallest hash of a
group's texts: it depends on no id, on no order, and on no document outside the group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.text.hashes import Floats, Hashes, Integers, mix, uniform

Booleans = npt.NDArray[np.bool_]
"""Truth values."""

_SPLIT_STREAM = 0x73706C6974
"""A number that keeps the split independent of other draws that depend on the hash of a text."""


def join(roots: Integers, left: Integers, right: Integers) -> None:
    """Joins clusters in place (union-find over arrays): every root becomes the lowest row that edges connect it to.

    Args:
        roots: (n,), each row's root; a root is its own root.
        left: rows at one end of the edges, (edges,).
        right: rows at the other end, (edges,).
    """
    while True:
        low, high = np.minimum(roots[left], roots[right]), np.maximum(roots[left], roots[right])
        crossing = low != high
        if not crossing.any():
            return
        np.minimum.at(roots, high[crossing], low[crossing])
        while ((above := roots[roots]) != roots).any():
            roots[:] = above


def group_documents(numbers: Integers, texts: Hashes) -> Integers:
    """Joins documents that have an equal text, directly or through others.

    Args:
        numbers: the document of each text, 0 to n - 1, shape (texts,).
        texts: the hash of each text, same shape.

    Returns:
        The group of each document, named by the lowest document in it, shape (n,).
    """
    groups = np.arange(numbers.max(initial=-1) + 1)
    order = np.argsort(texts, kind="stable")
    ordered_texts, ordered = texts[order], numbers[order]
    equal = ordered_texts[1:] == ordered_texts[:-1]
    join(groups, ordered[:-1][equal], ordered[1:][equal])
    return groups


def smallest_hashes(numbers: Integers, texts: Hashes, groups: Integers) -> Hashes:
    """Returns the smallest hash among the texts of each document's group, (documents,): a name that no id changes.

    Args:
        numbers: the document of each text, shape (texts,).
        texts: the hash of each text, same shape.
        groups: the group of each document, as `group_documents` names it.
    """
    smallest = np.full(len(groups), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, groups[numbers], texts)
    return smallest[groups]


def draw_held_out(smallest: Hashes, groups: Integers, seed: int, share: float) -> Booleans:
    """Draws which documents are held out, all of a group or none.

    A group of several documents that is more than the share of all is never held out: a licence that stands in every
    document would otherwise hold out all of them, or none, by one draw.

    Args:
        smallest: the smallest hash of each document's group, (documents,).
        groups: the group of each document, same shape.
        seed: another seed holds out other documents.
        share: share of the documents to hold out, 0 to 1.
    """
    drawn: Floats = uniform(mix(smallest, seed, _SPLIT_STREAM))
    sizes = np.bincount(groups, minlength=len(groups))[groups]
    return np.asarray((drawn < share) & ((sizes == 1) | (sizes <= share * len(groups))))
