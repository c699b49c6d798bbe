"""Mines hard negatives: passages that an encoder ranks high for a query and that do not answer it.

In: the training rows and the documents folder. Out: per row some passages and the documents that hold them. Passages of
held-out documents are never taken, nor passages of the same text: the report measures with queries of these documents,
and a model that learned to rank them low would lose where it has learned nothing else.

Passages of equal text are one candidate, which is never a negative of a document that holds it, whatever id a copy has.

The rule against taking an unmarked answer is NV-Retriever's (Moreira et al. 2024): a candidate that scores more than
95 % of what the query's own passage scores is left alone. A row with too few candidates is filled up with passages
drawn from other documents, because every row of a batch needs as many columns; their number is recorded. What a
teacher takes for another answer of a query is left alone likewise.

Queries are searched some thousands at a time, so that memory holds no more of what was found than of these.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.artifacts.documents import passage_text
from engine.errors import UserError
from engine.search.equal_texts import EqualTexts, find_equal_texts
from engine.text.hashes import Hashes
from training.holders import holders

if TYPE_CHECKING:
    from engine.artifacts.documents import DocumentsFolder
    from engine.runtime.place import Place
    from engine.search.encoder import EncoderConfig
    from engine.search.order import Rows, Scores
    from training.config import ModelConfig

_SEED_OF_FILLING = 0x6E6567
"""A number that keeps the random passages independent of other draws from the run's seed."""
_QUERIES_AT_ONCE = 8_192
_TRIES = 20
"""So often another text is drawn where a draw is an answer: of a few texts all may be answers."""


def _nothing() -> Hashes:
    return np.empty((0, 0), np.uint64)


@dataclass(frozen=True, eq=False)
class Negatives:
    """The hard negatives of training rows 0, 1, 2...

    Attributes:
        texts: the passages that are negatives, as the encoder reads them, each once.
        numbers: which of them each row has, (rows, num_hard_negatives); (0, 0) when there are none.
        documents: the hashes of the documents that hold them, (rows, documents); 0 is none.
        num_random: how many negatives were drawn at random for want of candidates.
    """

    texts: pa.Array
    numbers: Rows
    documents: Hashes
    num_random: int

    def columns(self) -> dict[str, pa.DictionaryArray]:
        """Returns one column per negative of a row, by name: negative_0, negative_1 ..."""
        codes = (pa.array(column.astype(np.int32)) for column in self.numbers.T)
        columns = (pa.DictionaryArray.from_arrays(column, self.texts) for column in codes)
        return {f"negative_{index}": column for index, column in enumerate(columns)}


NO_NEGATIVES = Negatives(pa.nulls(0, pa.large_string()), np.empty((0, 0), np.int64), _nothing(), 0)


@dataclass(frozen=True, eq=False)
class Never:
    """What is never a negative.

    Attributes:
        held_out: the documents of which nothing is trained on.
        answers: hashes of texts that a teacher takes for answers to each row's query, (rows, answers), or (0, 0); 0 is
            none.
    """

    held_out: Collection[str]
    answers: Hashes = field(default_factory=_nothing)


def mine_negatives(
    config: ModelConfig,
    encoder: EncoderConfig,
    rows: pa.Table,
    documents: DocumentsFolder,
    place: Place,
    *,
    never: Never,
) -> Negatives:
    """Searches for the passages that an encoder takes for answers to each row's query.

    Args:
        config: the model's config; its `num_hard_negatives` and `hard_negative_*` decide what is taken.
        encoder: what searches; see `training.retriever`.
        rows: the training rows, with the columns query, passage_id and document_id.
        documents: the passages that are searched.
        place: the machine, which keeps the embeddings of the passages.
        never: what may not be taken.

    Raises:
        UserError: a row's document holds all texts that may be taken.
    """
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import load_encoder

    passages = documents.passages(["passage_id", "document_id", "title", "text"])
    number_of = {passage_id: number for number, passage_id in enumerate(passages["passage_id"].to_pylist())}
    positives = np.asarray([number_of[passage_id] for passage_id in rows["passage_id"].to_pylist()], dtype=np.int64)
    encoded = passages["document_id"].combine_chunks().dictionary_encode()
    document_of = encoded.indices.to_numpy().astype(np.int64)
    hashes = documents.text_hashes()
    texts = find_equal_texts(hashes, document_of)
    is_free = free_passages(passages["document_id"].to_pylist(), hashes, never.held_out)[texts.first]
    _require_rivals(texts, is_free, document_of[positives], len(never.held_out))
    embeddings = encode_passages_cached(encoder, documents.path, place)
    assert list(number_of) == list(embeddings.ids), "the embeddings are of other passages than the folder holds"
    vectors = embeddings.vectors if texts.all_differ else embeddings.vectors[texts.first]
    depth = min(config.hard_negative_last_rank, len(texts.first))
    index, loaded = DenseIndex([embeddings.ids[row] for row in texts.first], vectors), load_encoder(encoder, place)
    rivals = Rivals(texts, is_free, document_of[positives], hashes[texts.first], never.answers)
    chosen = np.empty((rows.num_rows, config.num_hard_negatives), np.int64)
    for start in range(0, rows.num_rows, _QUERIES_AT_ONCE):
        block = slice(start, start + _QUERIES_AT_ONCE)
        queries = loaded.encode_queries(rows["query"][block].to_pylist())
        own = np.einsum("ij,ij->i", queries, embeddings.vectors[positives[block]])
        chosen[block] = first_allowed(config, Candidates(*index.search(queries, depth), own, rivals.of(block)))
    num_random = fill(chosen, rivals, seed=config.seed)
    held_by = holders(texts, chosen, encoded.dictionary.to_pylist())
    return _with_texts(texts.first[chosen], held_by, num_random, passages)


@dataclass(frozen=True)
class Rivals:
    """Which of n distinct texts may be negatives of q queries.

    Attributes:
        texts: which documents hold each text.
        is_free: bool (n,), whether a text may be taken at all.
        documents: int64 (q,), the document of each query's own passage.
        hashes: of the texts, (n,); needed where there are answers only.
        answers: hashes of texts that may answer each query besides its own passage, (q, a), or (0, 0); 0 is none.
    """

    texts: EqualTexts
    is_free: NDArray[np.bool_]
    documents: Rows
    hashes: Hashes = field(default_factory=_nothing)
    answers: Hashes = field(default_factory=_nothing)

    def of(self, queries: slice) -> Rivals:
        """Returns the same for some of the queries."""
        return replace(self, documents=self.documents[queries], answers=self.answers[queries])

    def may_answer(self, texts: Rows, queries: Rows) -> NDArray[np.bool_]:
        """Tells whether texts may answer queries, both given by number, in shapes that broadcast."""
        may = np.zeros(np.broadcast_shapes(texts.shape, queries.shape), np.bool_)
        for answers in self.answers.T:
            may |= self.hashes[texts] == answers[queries]
        return may


@dataclass(frozen=True)
class Candidates:
    """The result of the search for q queries among n distinct texts.

    Attributes:
        ranked: int64 (q, k), the numbers of the texts, best first, -1 where there are none.
        scores: float32 (q, k), their similarity to the query.
        positive_scores: float32 (q,), the similarity of each query and its own passage.
        rivals: which of the texts may be taken for these queries.
    """

    ranked: Rows
    scores: Scores
    positive_scores: Scores
    rivals: Rivals


def first_allowed(config: ModelConfig, candidates: Candidates) -> Rows:
    """Takes the first allowed candidates of each query.

    Returns:
        int64 (q, num_hard_negatives) numbers of texts, -1 where there are too few.
    """
    positive_scores, rivals = candidates.positive_scores, candidates.rivals
    ceiling = positive_scores - (1 - config.hard_negative_margin) * np.abs(positive_scores)
    allowed = (
        (candidates.ranked >= 0)
        & rivals.is_free[candidates.ranked]
        & ~rivals.texts.are_in(candidates.ranked, rivals.documents[:, None])
        & (candidates.scores < ceiling[:, None])
        & ~rivals.may_answer(candidates.ranked, np.arange(len(ceiling))[:, None])
    )
    allowed[:, : config.hard_negative_first_rank - 1] = False
    width = config.num_hard_negatives
    first = np.argsort(~allowed, axis=1, kind="stable")[:, :width]
    chosen = np.where(np.take_along_axis(allowed, first, 1), np.take_along_axis(candidates.ranked, first, 1), -1)
    return np.pad(chosen, ((0, 0), (0, width - chosen.shape[1])), constant_values=-1).astype(np.int64)


def fill(chosen: Rows, rivals: Rivals, *, seed: int) -> int:
    """Puts random texts that the query's document does not hold where `chosen` is -1; returns how many there are."""
    free = np.flatnonzero(rivals.is_free)
    rng = np.random.default_rng([seed, _SEED_OF_FILLING])
    gaps = np.argwhere(chosen < 0)
    num_random, tries = len(gaps), 0
    while len(gaps):
        drawn, queries = free[rng.integers(len(free), size=len(gaps))], gaps[:, 0]
        chosen[queries, gaps[:, 1]] = drawn
        is_wrong = rivals.texts.are_in(drawn, rivals.documents[queries])
        tries += 1
        if tries <= _TRIES:
            is_wrong |= rivals.may_answer(drawn, queries)
        gaps = gaps[is_wrong]
    return num_random


def free_passages(documents: Sequence[str], hashes: Hashes, held_out: Collection[str]) -> NDArray[np.bool_]:
    """Tells for each passage whether its document may be trained on, and no held-out passage says the same.

    Args:
        documents: the id of each passage's document.
        hashes: of each passage's title and text, since many passages may be a title alone.
        held_out: the documents of which nothing is trained on.
    """
    is_held_out = np.array([document in held_out for document in documents], np.bool_)
    return ~np.isin(hashes, hashes[is_held_out])


def _require_rivals(texts: EqualTexts, is_free: NDArray[np.bool_], documents: Rows, num_held_out: int) -> None:
    """Refuses rows whose document holds every text that may be taken.

    Args:
        texts: which documents hold each text.
        is_free: whether a text may be taken, (texts,).
        documents: the document of each row, (rows,).
        num_held_out: how many documents are held out, for the message.

    Raises:
        UserError: there is such a row.
    """
    numbers, holders = np.divmod(texts.holdings, texts.num_documents)
    num_free = np.bincount(holders[is_free[numbers]], minlength=texts.num_documents)
    if (num_free[documents] == is_free.sum()).any():
        raise UserError(
            f"no other text is left for some document beside its own and those of {num_held_out} held-out ones",
            where="model.num_hard_negatives",
            remedy="set it to 0, or lower examples.validation_share",
        )


def _with_texts(chosen: Rows, held_by: Hashes, num_random: int, passages: pa.Table) -> Negatives:
    """Reads the passages that were chosen, each once.

    Args:
        chosen: their rows in the table, (rows, num_hard_negatives).
        held_by: the documents that hold them.
        num_random: how many of them are random.
        passages: all passages.
    """
    numbers, places = np.unique(chosen, return_inverse=True)
    taken = passages.take(pa.array(numbers))
    texts = list(map(passage_text, taken["title"].to_pylist(), taken["text"].to_pylist()))
    return Negatives(pa.array(texts, pa.large_string()), places.reshape(chosen.shape), held_by, num_random)
