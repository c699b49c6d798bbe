"""Which synthetic queries people are to judge, where no log of their own is given (`engine.queries.log`).

In: held-out queries with the documents that they were written from. Out: texts by query id, in the order of the draw.
Each is drawn by a hash of the run's seed and its id, so that a larger draw begins with the smaller one.
"""

from __future__ import annotations

from collections import Counter

from engine.text.hashes import text_hash
from eval.retrieval.benchmark import Benchmark


def draw_from_held_out(held_out: Benchmark, limit: int, seed: int) -> dict[str, str]:
    """Draws synthetic queries from as many documents as there are: no document has two before each has one.

    Args:
        held_out: the queries, with their source documents.
        limit: most queries to draw.
        seed: of the draw.
    """
    texts = {text: query_id for query_id, text in sorted(held_out.queries.items(), reverse=True)}
    by_draw = sorted(texts.values(), key=lambda query_id: _draw(seed, query_id))
    turns: Counter[str] = Counter()
    keys: dict[str, tuple[int, int]] = {}
    for query_id in by_draw:
        document = held_out.sources[query_id]
        keys[query_id] = (turns[document], _draw(seed, document))
        turns[document] += 1
    return {query_id: held_out.queries[query_id] for query_id in sorted(keys, key=keys.__getitem__)[:limit]}


def _draw(seed: int, name: str) -> int:
    return text_hash(f"{seed}\0{name}")
