"""A ledger of six samples of four passages, for tests of the filters that compare samples."""

import pyarrow as pa

from engine.examples.ledger import Ledger

QUERIES = [
    "how do bees find flowers",
    "How do bees find flowers?",
    "how do bees find flowers now",
    "what is a mortgage",
    "how do bees find flowers again",
    "",
]


def make_ledger() -> Ledger:
    """Nothing is rejected yet; the ids are 0, 10, 20, ..."""
    count = len(QUERIES)
    samples = {
        "sample_id": [10 * number for number in range(count)],
        "passage_id": ["a#1", "a#1", "a#2", "b", "c", "c"],
        "document_id": ["a", "a", "a", "b", "c", "c"],
        "passage_row": [0, 0, 1, 2, 3, 3],
        "text": [f'"{query}"' for query in QUERIES],
        "finish_reason": ["stop"] * count,
        "logprob": pa.array([-1.0] * count, pa.float32()),
        "condition_form": ["question"] * count,
    }
    ledger = Ledger(pa.table(samples), pa.array(["text a1", "text a2", "text b", "text c"]))
    ledger.set_queries(pa.chunked_array([QUERIES]))
    return ledger
