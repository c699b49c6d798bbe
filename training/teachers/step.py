"""The candidates of every training query, and what search by words and meaning scores them.

In: documents and examples. Out: a teacher folder: by itself the teacher `fused`, and what every other teacher scores
anew. Queries are searched some thousands at a time, so that memory holds no more of what was found than of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.teacher import Scored, TeacherFolder, TeacherRecord, write_scored
from engine.search.equal_texts import find_equal_texts
from engine.search.fusion import POOL, fuse, standardised
from engine.search.order import id_ranks
from engine.text.hashes import mix
from training.negatives import free_passages
from training.rows import held_out_documents
from training.teachers.candidates import Asked, Pool, choose_candidates
from training.teachers.figures import Tally
from training.teachers.queries import query_batches, query_ids
from training.teachers.settings import CandidatesConfig

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.order import Ranking, Rows

_QUERIES_AT_ONCE = 8_192
_DRAWS = 0x74656168
"""The stream that makes keys of draws out of sample ids."""


def find_candidates(config: CandidatesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> TeacherRecord:
    """Finds the candidates of every training query and scores them by search.

    Args:
        config: how many, of which ranks, and what searches.
        inputs: the finished folders `documents` and `examples`.
        output: becomes a teacher folder.
        place: where the step runs; its cache has the passages that were encoded and indexed before.

    Raises:
        UserError: some document holds every text that may be taken.
    """
    documents, examples = DocumentsFolder(inputs["documents"]), ExamplesFolder(inputs["examples"])
    collection = _read_collection(documents, examples)
    fitting = config.fitting(collection.pool.fewest_others())
    if fitting.others < config.others:
        place.console.warn(f"{1 + fitting.others} candidates a query instead of {1 + config.others}: too few passages")
    search = _search(config, collection, documents, place)
    count, tally, drawn = len(query_ids(examples, config.reasons)), Tally(), 0
    columns = ["sample_id", "query", "passage_id"]
    with (
        TeacherFolder(output).writing(1 + fitting.others) as writer,
        place.console.progress("teacher", count, "queries") as bar,
    ):
        for batch in query_batches(examples, columns, config.reasons, _QUERIES_AT_ONCE):
            asked, own = collection.asked(batch)
            chosen = choose_candidates(fitting, collection.pool, asked, search(batch["query"].to_pylist()))
            rows = collection.pool.texts.first[chosen.texts]
            rows[:, 0] = own
            scored = Scored(batch["sample_id"].to_numpy(), rows.astype(np.int32), chosen.scores.astype(np.float32))
            write_scored(writer, scored)
            tally.add(scored.scores)
            drawn += chosen.drawn
            bar.advance(batch.num_rows)
    record = tally.record(1 + fitting.others, drawn)
    place.console.step("teacher", f"words and meaning: {record.in_words()}")
    return record


@dataclass(frozen=True, eq=False)
class _Collection:
    """The passages, of which equal texts are one."""

    ids: list[str]
    document_of: Rows
    row_of: Mapping[str, int]
    pool: Pool

    def asked(self, batch: pa.RecordBatch) -> tuple[Asked, Rows]:
        """Returns some queries, and the row of the passage that each was written from."""
        own = np.array([self.row_of[name] for name in batch["passage_id"].to_pylist()], np.int64)
        keys = mix(batch["sample_id"].to_numpy().astype(np.uint64), 0, _DRAWS)
        return Asked(self.pool.texts.text_of[own], self.document_of[own], keys), own

    @property
    def ids_of_texts(self) -> list[str]:
        """Returns the id of the first passage with each text."""
        return [self.ids[row] for row in self.pool.texts.first]


def _read_collection(documents: DocumentsFolder, examples: ExamplesFolder) -> _Collection:
    passages = documents.passages(["passage_id", "document_id"])
    ids: list[str] = passages["passage_id"].to_pylist()
    document_of = passages["document_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    hashes = documents.text_hashes()
    texts = find_equal_texts(hashes, document_of)
    held_out = held_out_documents(examples)
    is_free = free_passages(passages["document_id"].to_pylist(), hashes, held_out)[texts.first]
    return _Collection(ids, document_of, {name: row for row, name in enumerate(ids)}, Pool(texts, is_free))


def _search(
    config: CandidatesConfig, collection: _Collection, documents: DocumentsFolder, place: Place
) -> Callable[[Sequence[str]], Ranking]:
    """Returns the search by words and meaning: texts by the weighted sum of standardised scores, best first."""
    from engine.search.bm25_cached import index_words_cached, read_analyser
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import load_encoder
    from engine.search.systems import Bm25System, DenseSystem, System

    texts, ids = collection.pool.texts, collection.ids_of_texts
    ranks_of_ids, parts = id_ranks(ids), list[tuple[System, float]]()
    if config.words:
        analyser = read_analyser(config.language, documents, texts.first)
        bm25 = index_words_cached(documents.path, analyser, place, rows=texts.first)
        parts.append((Bm25System(bm25), config.words))
    if config.words < 1:
        passages = encode_passages_cached(config.encoder, documents.path, place)
        vectors = passages.vectors if texts.all_differ else passages.vectors[texts.first]
        base = DenseSystem("base", load_encoder(config.encoder, place), DenseIndex(ids, vectors))
        parts.append((base, 1 - config.words))

    def search(queries: Sequence[str]) -> Ranking:
        rankings = [system.prepare(queries)(POOL) for system, _ in parts]
        return fuse(rankings, [weight for _, weight in parts], standardised, ranks_of_ids)

    return search
