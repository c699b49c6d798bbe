"""Which documents are held out: no text of theirs is trained on, whatever ids it has.

In: all passages of a run. Out: the split of every document. Documents with a passage in common (equal title and text,
whatever their white space) form a group, and so do those that are joined by a third; a group is on one side. The side
is drawn from the smallest hash of its texts: it depends on no id, on no sample, and on no document outside the group.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.examples.duplicates.minhash import join
from engine.text.hashes import Floats, Hashes, Integers, mix, text_hash, text_hashes, uniform

_SPLIT_STREAM = 0x73706C6974
"""A number that keeps the split independent of other draws that depend on the hash of a text."""
_ROWS_AT_ONCE = 50_000


def draw_split(documents: DocumentsFolder, seed: int, validation_share: float) -> Callable[[str], str]:
    """Draws the split of every document; it holds in memory 24 bytes per passage, and the texts of one batch.

    A group of several documents that is more than the validation share of all is always trained on: a licence that
    stands in every document would otherwise hold out all of them, or none, by one draw.

    Args:
        documents: the passages of all documents of the run.
        seed: another seed holds out other documents.
        validation_share: share of the documents to hold out, 0 to 1.

    Returns:
        A function from the id of a document to `train` or `validation`.
    """
    document_hashes, passage_hashes = _hashes(documents)
    # Two texts of equal hash, one pair in 10^19, make one group too many, and leave no text on both sides.
    names, numbers = np.unique(document_hashes, return_inverse=True)
    groups = group_documents(numbers, documents.text_hashes())
    drawn = _draws(numbers, passage_hashes, groups, seed) < validation_share
    sizes = np.bincount(groups, minlength=len(names))[groups]
    drawn &= (sizes == 1) | (sizes <= validation_share * len(names))
    held_out = frozenset(names[drawn].tolist())
    return lambda document_id: "validation" if text_hash(document_id) in held_out else "train"


def group_documents(numbers: Integers, passage_hashes: Hashes) -> Integers:
    """Joins documents that have an equal passage, directly or through others.

    Args:
        numbers: the document of each passage, 0 to n - 1, shape (passages,).
        passage_hashes: the hash of each passage's text, same shape.

    Returns:
        The group of each document, named by the lowest document in it, shape (n,).
    """
    groups = np.arange(numbers.max(initial=-1) + 1)
    order = np.argsort(passage_hashes, kind="stable")
    texts, ordered = passage_hashes[order], numbers[order]
    equal = texts[1:] == texts[:-1]
    join(groups, ordered[:-1][equal], ordered[1:][equal])
    return groups


def _draws(numbers: Integers, passage_hashes: Hashes, groups: Integers, seed: int) -> Floats:
    """Draws a number between 0 and 1 for each document, the same for all of a group, (documents,)."""
    smallest = np.full(len(groups), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, groups[numbers], passage_hashes)
    return uniform(mix(smallest, seed, _SPLIT_STREAM))[groups]


def _hashes(documents: DocumentsFolder) -> tuple[Hashes, Hashes]:
    """Hashes each passage's document id, and its text as the encoder reads it; both of shape (passages,)."""
    of_documents, of_texts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for batch in documents.stream(["document_id", "title", "text"], _ROWS_AT_ONCE):
        document_ids, titles, texts = (column.to_pylist() for column in batch.columns)
        of_documents.append(text_hashes(document_ids))
        of_texts.append(text_hashes([passage_text(*pair) for pair in zip(titles, texts, strict=True)]))
    return np.concatenate(of_documents), np.concatenate(of_texts)
