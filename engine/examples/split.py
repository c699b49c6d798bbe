"""Which documents are held out: no text of theirs is trained on, whatever ids it has.

In: all passages of a run. Out: the split of every document. Documents with a passage in common (equal title and text,
whatever their white space) are on one side (engine/text/groups.py), which no sample changes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.text.groups import draw_held_out, group_documents, smallest_hashes
from engine.text.hashes import Hashes, text_hash, text_hashes

_ROWS_AT_ONCE = 50_000


def draw_split(documents: DocumentsFolder, seed: int, validation_share: float) -> Callable[[str], str]:
    """Draws the split of every document; it holds in memory 24 bytes per passage, and the texts of one batch.

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
    drawn = draw_held_out(smallest_hashes(numbers, passage_hashes, groups), groups, seed, validation_share)
    held_out = frozenset(names[drawn].tolist())
    return lambda document_id: "validation" if text_hash(document_id) in held_out else "train"


def _hashes(documents: DocumentsFolder) -> tuple[Hashes, Hashes]:
    """Hashes each passage's document id, and its text as the encoder reads it; both of shape (passages,)."""
    of_documents, of_texts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for batch in documents.stream(["document_id", "title", "text"], _ROWS_AT_ONCE):
        document_ids, titles, texts = (column.to_pylist() for column in batch.columns)
        of_documents.append(text_hashes(document_ids))
        of_texts.append(text_hashes([passage_text(*pair) for pair in zip(titles, texts, strict=True)]))
    return np.concatenate(of_documents), np.concatenate(of_texts)
