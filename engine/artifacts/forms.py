"""The forms of training examples: which columns a row of an examples folder has.

In: the columns of an examples folder. Out: its form, one for all rows. Every row has ids and a split besides
(`sample_id`, `passage_id`, `document_id`, `split`); what is written and read under these names is documented here once.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

import pyarrow as pa

QUERY, PASSAGE, NEGATIVE, SCORE, TEXT, LABELS = "query", "passage", "negative", "score", "text", "labels"
WEIGHT = "weight"
"""The column of labelled examples that says how much a row counts in training, from 0 on; an empty one counts as 1."""


class Form(Enum):
    """What a training example is."""

    pairs = "pairs"
    """A query and a passage that answers it."""
    triplets = "triplets"
    """A query, a passage that answers it, and one that does not."""
    graded = "graded"
    """Two texts and how much they mean the same, from 0 to 1."""
    labelled = "labelled"
    """A text and its labels: one, or several, or none of several."""
    texts = "texts"
    """A text alone."""


FIELDS = {
    QUERY: pa.string(),
    PASSAGE: pa.string(),
    NEGATIVE: pa.string(),
    SCORE: pa.float32(),  # 0 to 1
    TEXT: pa.string(),
    LABELS: pa.list_(pa.string()),
}
"""The Arrow type of each column by which a form is told."""

COLUMNS = {
    Form.pairs: (QUERY, PASSAGE),
    Form.triplets: (QUERY, PASSAGE, NEGATIVE),
    Form.graded: (QUERY, PASSAGE, SCORE),
    Form.labelled: (TEXT, LABELS),
    Form.texts: (TEXT,),
}
"""The columns of each form. No two forms have the same ones."""


def form_of(names: Collection[str]) -> Form:
    """Tells the form of rows that have columns of these names; other columns do not count.

    Raises:
        ValueError: the columns are those of no form.
    """
    given = FIELDS.keys() & set(names)
    for form, columns in COLUMNS.items():
        if given == set(columns):
            return form
    raise ValueError(f"columns of no form: {sorted(names)}")


def given_schema(form: Form, *, weighted: bool = False) -> pa.Schema:
    """Returns the columns of examples that a user gave: `kept.parquet` and `rejected.parquet` have the same ones.

    Args:
        form: what a row has.
        weighted: whether rows say besides how much they count.
    """
    return pa.schema(
        [
            ("sample_id", pa.int64()),  # 0, 1, 2, ... in the order of the rows
            ("passage_id", pa.string()),  # equal texts have one; of labelled texts and plain ones it names the text
            ("document_id", pa.string()),  # as the row says, else that of its passage
            *((name, FIELDS[name]) for name in COLUMNS[form]),
            *([(WEIGHT, pa.float32())] if weighted else []),
            ("split", pa.string()),  # "train" or "validation": all rows of a document are on one side
            ("reason", pa.string()),  # "" when kept, else why the row was rejected
            ("detail", pa.string()),  # where the row stands: file and line
        ]
    )
