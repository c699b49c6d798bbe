"""The queries that are taught, as the steps of a teacher read them: in the order in which training reads its rows.

In: a finished examples folder. Out: their ids, some of them at a time, or numbers by which equal texts are one query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from engine.artifacts.examples import ExamplesFolder
from engine.text.hashes import Integers, text_hashes


def query_ids(examples: ExamplesFolder, reasons: Sequence[str]) -> Integers:
    """Reads the ids of the examples that are trained on, (n,).

    Args:
        examples: the folder.
        reasons: those for which rejected examples are trained on as well.
    """
    batches = examples.training(["sample_id"], reasons)
    return np.concatenate([np.empty(0, np.int64), *(batch["sample_id"].to_numpy() for batch in batches)])


def query_batches(
    examples: ExamplesFolder, columns: Sequence[str], reasons: Sequence[str], most: int
) -> Iterator[pa.RecordBatch]:
    """Reads the same examples, at most `most` at a time."""
    for batch in examples.training(columns, reasons):
        for start in range(0, batch.num_rows, most):
            yield batch.slice(start, most)


def distinct_queries(examples: ExamplesFolder, reasons: Sequence[str]) -> tuple[Integers, Integers]:
    """Numbers the queries by their texts, whatever their white space.

    Returns:
        The number of each query, (n,), and the first row with each number.
    """
    batches = (batch["query"].to_pylist() for batch in examples.training(["query"], reasons))
    hashes = [text_hashes([" ".join(query.split()) for query in batch]) for batch in batches]
    together = np.concatenate([np.empty(0, np.uint64), *hashes])
    _, first, number = np.unique(together, return_index=True, return_inverse=True)
    return number, first
