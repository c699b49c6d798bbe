"""Synthetic queries as a benchmark, each with the document that it was written from as its only answer.

In: the finished examples folder. Out: queries as they reached the round trip, which would keep only what the base model
already finds: all of them, or those of held-out documents. Ids are `sample-N`, so that none is a document's. Where
there are more than a limit, some are drawn by a hash of the sample id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.draws import draw_rows
from engine.artifacts.examples import COUNTED_REASONS, ExamplesFolder
from eval.report import HELD_OUT
from eval.retrieval.benchmark import Benchmark, make_benchmark

SYNTHETIC = "synthetic"
"""Name of the collection of synthetic queries about all documents."""

_HELD_OUT_STREAM, _STREAM = 0x68656C64, 0x73796E74
"""Numbers that keep each draw independent of other draws by a sample's id."""
_COLUMNS = pa.schema([("sample_id", pa.int64()), ("document_id", pa.large_string()), ("query", pa.large_string())])


def held_out_queries(examples: Path, limit: int) -> Benchmark:
    """Reads the queries of the validation documents; see the module.

    Args:
        examples: the finished folder.
        limit: most queries to take; 0 takes all.
    """
    batches = ExamplesFolder(examples).held_out(_COLUMNS.names, COUNTED_REASONS)
    return _drawn(HELD_OUT, batches, limit, _HELD_OUT_STREAM)


def synthetic_queries(examples: Path, limit: int) -> Benchmark:
    """Reads the queries of all documents, trained on or not; see `held_out_queries`."""
    return _drawn(SYNTHETIC, _all_batches(ExamplesFolder(examples)), limit, _STREAM)


def _all_batches(examples: ExamplesFolder) -> Iterator[pa.RecordBatch]:
    yield from examples.kept_batches(_COLUMNS.names)
    counted = pa.array(COUNTED_REASONS, pa.string())
    for batch in examples.rejected_batches([*_COLUMNS.names, "reason"]):
        yield batch.filter(pc.is_in(batch["reason"], value_set=counted)).select(_COLUMNS.names)


def _drawn(name: str, batches: Iterable[pa.RecordBatch], limit: int, stream: int) -> Benchmark:
    table, total = draw_rows(batches, limit, stream, _COLUMNS)
    query_ids = [f"sample-{sample_id}" for sample_id in table["sample_id"].to_pylist()]
    sources = dict(zip(query_ids, table["document_id"].to_pylist(), strict=True))
    queries = dict(zip(query_ids, table["query"].to_pylist(), strict=True))
    benchmark = make_benchmark(name, queries, {query_id: {source: 1} for query_id, source in sources.items()})
    left_out = {"max_held_out": total - len(table)} if name == HELD_OUT and total > len(table) else {}
    return replace(benchmark, left_out=left_out, sources=sources)
