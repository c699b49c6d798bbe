"""Passages that do not answer a query: drawn at random, or found by the words of the query.

In: the passages that are trained on, and pairs. Out: as many negatives for each pair as are asked for. None is of the
pair's document, and none answers the same query elsewhere. Random ones are drawn by hashes, so that two negatives of a
pair are the one that it has alone and another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.forms import PASSAGE, QUERY
from engine.errors import UserError
from engine.given.recast.config import RecastConfig
from engine.search.analyser import make_analyser
from engine.text.hashes import Hashes, mix, text_hash

if TYPE_CHECKING:
    from engine.artifacts.examples import ExamplesFolder
    from engine.runtime.place import Place

_STREAM = 0x6E656761
"""Keeps the draw of negatives independent of every other draw."""
_IDS = ("passage_id", QUERY)
_HELD = pa.schema([("document_id", pa.string()), (PASSAGE, pa.large_string())])
"""What is held of each passage beside its id."""
_SEARCHED = 30
"""The passages that BM25 finds for a query, of which the first ones that answer it nowhere are taken."""


@dataclass(frozen=True, eq=False)
class TrainedPassages:
    """The distinct passages of training rows, by their ids, n of them.

    Attributes:
        ids: unique, sorted.
        documents: the document of each.
        texts: the text of each, as Arrow holds texts, since those of a large collection are most of the memory.
        answers: sorted hashes of a query with a passage that answers it, one for each training row.
    """

    ids: list[str]
    documents: list[str]
    texts: pa.ChunkedArray
    answers: Hashes

    def answer(self, query: str, number: int) -> bool:
        """Tells whether some row has the query with the passage of this number."""
        hashed = _answer_hash(query, self.ids[number])
        place = int(np.searchsorted(self.answers, hashed))
        return place < len(self.answers) and self.answers[place] == hashed


def read_passages(source: ExamplesFolder) -> TrainedPassages:
    """Reads the distinct passages of the pairs that are trained on."""
    known: dict[str, int] = {}
    firsts, answers = list[pa.RecordBatch](), list[Hashes]()
    for batch in source.kept_batches(["passage_id", "document_id", QUERY, PASSAGE], "train"):
        hashes, new = [], []
        for row, (passage_id, query) in enumerate(zip(*(batch[name].to_pylist() for name in _IDS), strict=True)):
            hashes.append(_answer_hash(query, passage_id))
            if passage_id not in known:
                known[passage_id] = len(known)
                new.append(row)
        firsts.append(batch.select(list(_HELD.names)).take(pa.array(new, pa.int64())).cast(_HELD))
        answers.append(np.array(hashes, np.uint64))
    ids = sorted(known)
    held = pa.Table.from_batches(firsts, _HELD).take(pa.array([known[name] for name in ids], pa.int64()))
    rows = np.unique(np.concatenate([np.empty(0, np.uint64), *answers]))
    return TrainedPassages(ids, held["document_id"].to_pylist(), held[PASSAGE], rows)


class NegativeDraw:
    """Finds the negatives of pairs.

    Args:
        passages: what is drawn from.
        config: how many, and how.
        place: where a person is told how BM25 reads words.

    Raises:
        UserError: the passages are of too few documents.
    """

    def __init__(self, passages: TrainedPassages, config: RecastConfig, place: Place) -> None:
        if len(set(passages.documents)) < 2 or len(passages.ids) <= config.negatives:
            what = f"{len(passages.ids)} passages of {len(set(passages.documents))} documents have no negatives"
            remedy = "give pairs of more documents, or raise the set's limit"
            raise UserError(what, where=f"negatives={config.negatives}", remedy=remedy)
        self._passages, self._config = passages, config
        self._index = None
        if config.hard:
            from engine.search.bm25 import Bm25Index

            texts = passages.texts.to_pylist()
            analyser = make_analyser(config.language, texts)
            place.console.step("examples", f"hard negatives are what BM25 finds ({analyser.name})")
            self._index = Bm25Index(passages.ids, texts, terms_of=analyser.terms)

    def negatives_of(self, batch: pa.RecordBatch) -> Iterator[list[str]]:
        """Gives the texts of the negatives of each pair; fewer than asked for where nearly all passages answer it."""
        queries = batch[QUERY].to_pylist()
        found = (
            self._index.search(queries, _SEARCHED)[0]
            if self._index is not None
            else np.empty((len(queries), 0), np.int64)
        )
        columns = (batch[name].to_pylist() for name in ("sample_id", "document_id"))
        for sample_id, document, query, rows in zip(*columns, queries, found, strict=True):
            chosen = self._chosen(sample_id, document, query, [int(row) for row in rows if row >= 0])
            yield [self._passages.texts[number].as_py() for number in chosen]

    def _chosen(self, sample_id: int, document: str, query: str, found: Sequence[int]) -> list[int]:
        """Returns the first passages that were found, and drawn ones for those that are missing."""
        count = len(self._passages.ids)
        numbers = np.arange(self._config.negatives)
        draws = mix(np.full(len(numbers), sample_id, np.uint64), self._config.seed, _STREAM, numbers) % np.uint64(count)
        chosen: list[int] = []

        def fits(number: int) -> bool:
            is_other = self._passages.documents[number] != document and not self._passages.answer(query, number)
            return is_other and number not in chosen

        for number in found:
            if len(chosen) < len(numbers) and fits(number):
                chosen.append(number)
        for first in map(int, draws[len(chosen) :]):  # the passage that is drawn, or the next one that fits
            chosen += itertools.islice(filter(fits, ((first + further) % count for further in range(count))), 1)
        return chosen


def _answer_hash(query: str, passage_id: str) -> int:
    return text_hash(" ".join(query.casefold().split()) + "\n" + passage_id)
