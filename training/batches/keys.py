"""What the rows of a batch must not share: texts and ids as hashes, by which batches are planned.

In: hashes of what rows are about, what their negatives are, and what else may answer them. Out: one value for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.text.hashes import Hashes


def _no_negatives() -> Hashes:
    return np.empty((0, 0), np.uint64)


@dataclass(frozen=True, eq=False)
class RowKeys:
    """All that the rows of a batch must not share, as hashes: texts as keys would be as large as the collection.

    Attributes:
        passages: what is told apart as a passage, an id or the text itself, (rows,).
        documents: the document of each passage, (rows,).
        queries: the text of each query, or a normal form of it, (rows,).
        negatives: the documents of each row's own hard negatives, hashed as `documents` are, (rows, negatives); (0, 0)
            when there are none.
        negative_passages: these negatives themselves, hashed as `passages` are, since other documents may hold them
            too, (rows, negatives); or (0, 0).
        answers: the documents of other passages that may answer a row's query, hashed as `documents` are: no row brings
            anything of them into its batch, as its passage or as a negative; (rows, answers), or (0, 0).
        answer_passages: such passages, hashed as `passages` are, (rows, answers), or (0, 0).
    """

    passages: Hashes
    documents: Hashes
    queries: Hashes
    negatives: Hashes = field(default_factory=_no_negatives)
    negative_passages: Hashes = field(default_factory=_no_negatives)
    answers: Hashes = field(default_factory=_no_negatives)
    answer_passages: Hashes = field(default_factory=_no_negatives)

    def __post_init__(self) -> None:
        lengths = {len(self.passages), len(self.documents), len(self.queries)}
        assert len(lengths) == 1, f"keys of different lengths: {sorted(lengths)}"
        beside = (self.negatives, self.negative_passages, self.answers, self.answer_passages)
        assert {len(hashes) for hashes in beside} <= {0, len(self.passages)}, "these are given for all rows or for none"

    @classmethod
    def without_rules(cls, num_rows: int) -> RowKeys:
        """Returns the keys of rows any of which may share a batch, for losses that rank no row against another's."""
        numbers = np.arange(num_rows, dtype=np.uint64)
        return cls(passages=numbers, documents=numbers, queries=numbers)

    def __len__(self) -> int:
        return len(self.passages)
