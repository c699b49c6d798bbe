"""A ledger of six samples of four passages, for tests of the filters that compare samples."""

import numpy as np
import pyarrow as pa

from engine.examples.ledger import Ledger, Passages

QUERIES = [
    "how do bees find flowers",
    "How do bees find flowers?",
    "how do bees find flowers now",
    "what is a mortgage",
    "how do bees find flowers again",
    "",
]
PLACES = [3, 0, 5, 4, 1, 2]
"""Parts hold the samples in the order in which they were written."""


def large(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def make_ledger() -> Ledger:
    """Nothing is rejected yet; the ids are 0, 10, 20, ..."""
    count = len(QUERIES)
    samples = {
        "sample_id": [10 * number for number in range(count)],
        "passage_row": [0, 0, 1, 2, 3, 3],
        "logprob": pa.array([-1.0] * count, pa.float32()),
        "condition_form": pa.array(["question"] * count).dictionary_encode(),
    }
    passages = Passages(
        large(["a#1", "a#2", "b", "c"]),
        large(["a", "a", "b", "c"]),
        large(["text a1", "text a2", "text b", "text c"]),
    )
    ledger = Ledger(pa.table(samples), passages)
    ledger.set_queries(large([QUERIES[PLACES.index(place)] for place in range(count)]), np.array(PLACES))
    return ledger


def detail_of(ledger: Ledger) -> list[str]:
    """The detail of each row; empty where it is open."""
    details = dict.fromkeys(range(len(ledger)), "")
    rows, texts = ledger.details()
    details.update(zip(rows.tolist(), texts.to_pylist(), strict=True))
    return list(details.values())
