"""Passages that do not answer a query: drawn at random, or found by the words of the query.

In: the passages that are trained on, and pairs. Out: as many negatives for each pair as are asked for. None is of the
pair's document, and none answers the same query elsewhere. Random ones are drawn by hashes, so that two negatives of a
pair are the one that it has alone and another. Passages are drawn by number, and their texts are read from a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.forms import PASSAGE, QUERY
from engine.errors import UserError
from engine.given.recast.config import RecastConfig
from engine.search.analyser import make_analyser
from engine.storage.texts import ChosenTexts, Texts, TextWriter
from engine.text.hashes import Hashes, mix, query_key, text_hash

if TYPE_CHECKING:
    from engine.artifacts.examples import ExamplesFolder
    from engine.runtime.place import Place

_STREAM = 0x6E656761
"""Keeps the draw of negatives independent of every other draw."""
_IDS = ("passage_id", "document_id", QUERY)
_SEARCHED = 30
"""The passages that BM25 finds for a query, of which the first ones that answer it nowhere are taken."""


@dataclass(frozen=True, eq=False)
class TrainedPassages:
    """The distinct passages of training rows, by their ids, n of them.

    Attributes:
        ids: unique, sorted.
        documents: the document of each.
        texts: the text of each, on the disk, since those of a large collection are most of it.
        answers: sorted hashes of a query with a passage that answers it, one for each training row.
    """

    ids: list[str]
    documents: list[str]
    texts: ChosenTexts
    answers: Hashes

    def answer(self, query: str, number: int) -> bool:
        """Tells whether some row has the query with the passage of this number."""
        hashed = _answer_hash(query, self.ids[number])
        place = int(np.searchsorted(self.answers, hashed))
        return place < len(self.answers) and self.answers[place] == hashed


def read_passages(source: ExamplesFolder, file: Path) -> TrainedPassages:
    """Reads the distinct passages of the pairs that are trained on.

    Args:
        source: the pairs.
        file: becomes that of their texts.
    """
    known: dict[str, int] = {}
    names: dict[str, str] = {}
    documents, answers = list[str](), list[Hashes]()
    with TextWriter(file) as writer:
        for batch in source.kept_batches([*_IDS, PASSAGE], "train"):
            hashes, new = [], []
            for row, (passage_id, document, query) in enumerate(
                zip(*(batch[name].to_pylist() for name in _IDS), strict=True)
            ):
                hashes.append(_answer_hash(query, passage_id))
                if passage_id not in known:
                    known[passage_id] = len(known)
                    documents.append(names.setdefault(document, document))  # each name is held once
                    new.append(row)
            writer.add(batch[PASSAGE].take(pa.array(new, pa.int64())))
            answers.append(np.array(hashes, np.uint64))
    ids = sorted(known)
    numbers = np.array([known[name] for name in ids], np.int64)
    rows = np.unique(np.concatenate([np.empty(0, np.uint64), *answers]))
    return TrainedPassages(ids, [documents[number] for number in numbers], ChosenTexts(Texts(file), numbers), rows)


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

            analyser = make_analyser(config.language, passages.texts)
            place.console.step("examples", f"hard negatives are what BM25 finds ({analyser.name})")
            self._index = Bm25Index(passages.ids, passages.texts, terms_of=analyser.terms)

    def negatives_of(self, batch: pa.RecordBatch) -> Iterator[list[str]]:
        """Gives the texts of the negatives of each pair; fewer than asked for where nearly all passages answer it."""
        queries = batch[QUERY].to_pylist()
        found = (
            self._index.search(queries, _SEARCHED)[0]
            if self._index is not None
            else np.empty((len(queries), 0), np.int64)
        )
        columns = (batch[name].to_pylist() for name in ("sample_id", "document_id"))
        chosen = [
            self._chosen(sample_id, document, query, [int(row) for row in rows if row >= 0])
            for sample_id, document, query, rows in zip(*columns, queries, found, strict=True)
        ]
        numbers = np.array([number for some in chosen for number in some], np.int64)
        texts = iter(self._passages.texts.take(pa.array(numbers)).to_pylist())
        return (list(itertools.islice(texts, len(some))) for some in chosen)

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
    return text_hash(query_key(query) + "\n" + passage_id)
