"""The kept synthetic queries of a run as a second index, by which passages are found.

In: the finished examples folder, the passages, and the encoder that reads the queries. Out: systems that find passages
through their queries, by the best one and by their sum. Queries of held-out documents are in it as well, since whoever
searches has them; one that is measured by does not find itself (`engine/search/stored_queries.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import ExamplesFolder
from engine.errors import BrokenInvariantError
from engine.search.stored_queries import StoredQueriesSystem
from engine.search.systems import DenseSystem

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.retrieval.corpus import Corpus

QUERIES, QUERIES_SUM = STORED = ("queries", "queries-sum")
"""The names of the two systems."""

_STREAM = 0x73746F72
"""Keeps the draw independent of other draws by a sample's id."""
_COLUMNS = pa.schema([("sample_id", pa.int64()), ("passage_id", pa.large_string()), ("query", pa.large_string())])


def stored_queries(
    examples: Path, corpus: Corpus, base: DenseSystem, limit: int, place: Place
) -> dict[str, StoredQueriesSystem]:
    """Encodes the kept queries, and makes both systems of them.

    Args:
        examples: the finished folder.
        corpus: the passages that are found.
        base: the encoder that reads stored queries and those that are searched for alike.
        limit: most queries to store, drawn by a hash of the sample id; 0 stores all.
        place: where progress is shown.
    """
    from engine.search.dense import DenseIndex

    table, _ = draw_rows(ExamplesFolder(examples).kept_batches(_COLUMNS.names), limit, _STREAM, _COLUMNS)
    texts = table["query"].to_pylist()
    known = pa.array(corpus.passage_ids, pa.large_string())
    passages = pc.index_in(table["passage_id"].combine_chunks(), value_set=known)
    if passages.null_count:
        raise BrokenInvariantError("a kept query's passage is not among the documents")
    with place.console.progress("encoding", len(texts), "stored queries (base)") as bar:
        vectors = base.encoder.encode_queries(texts, bar.advance)
    ids = [f"{sample_id:019d}" for sample_id in table["sample_id"].to_pylist()]
    queries = DenseSystem(base.name, base.encoder, DenseIndex(ids, vectors))
    rows = passages.to_numpy().astype(np.int64)
    return {
        name: StoredQueriesSystem(name, queries, texts, rows, corpus.ranks_of_ids, sums=name == QUERIES_SUM)
        for name in STORED
    }
