"""Mines hard negatives: passages that the base ranks high for a query and that do not answer it.

In: the training rows and the documents folder. Out: per row some passages and the documents they are of. Passages of
held-out documents are never taken, nor passages of the same text: the report measures with queries of these documents,
and a model that learned to rank them low would lose where it has learned nothing else.

Passages of equal text are one candidate, which is never a negative of a document that holds it, whatever id a copy has.

The rule against taking an unmarked answer is NV-Retriever's (Moreira et al. 2024): a candidate that scores more than
95 % of what the query's own passage scores is left alone. A row with too few candidates is filled up with passages
drawn from other documents, because every row of a batch needs as many columns; their number is recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.artifacts.documents import passage_text
from engine.errors import UserError
from engine.search.equal_texts import EqualTexts, find_equal_texts
from engine.text.hashes import Hashes

if TYPE_CHECKING:
    from engine.artifacts.documents import DocumentsFolder
    from engine.runtime.place import Place
    from engine.search.order import Rows, Scores
    from training.config import ModelConfig

_SEED_OF_FILLING = 0x6E6567
"""A number that keeps the random passages independent of other draws from the run's seed."""


@dataclass(frozen=True)
class Negatives:
    """The hard negatives of training rows 0, 1, 2...

    Attributes:
        texts: per row `num_hard_negatives` passages as the encoder reads them; empty when there are none.
        documents: the documents of those passages, in the same order.
        num_random: how many of them were drawn at random for want of candidates.
    """

    texts: list[list[str]]
    documents: list[list[str]]
    num_random: int

    def columns(self) -> dict[str, pa.Array]:
        """Returns one column per negative of a row, by name: negative_0, negative_1 ..."""
        return {f"negative_{index}": pa.array(texts) for index, texts in enumerate(zip(*self.texts, strict=True))}


NO_NEGATIVES = Negatives(texts=[], documents=[], num_random=0)


def mine_negatives(
    config: ModelConfig, rows: pa.Table, documents: DocumentsFolder, held_out: Collection[str], place: Place
) -> Negatives:
    """Searches with the base for the passages that it takes for answers to each row's query.

    Args:
        config: the model's config; its `num_hard_negatives` and `hard_negative_*` decide what is taken.
        rows: the training rows, with the columns query, passage_id and document_id.
        documents: the passages that are searched.
        held_out: the documents of which nothing is trained on.
        place: the machine, which keeps the embeddings of the passages.

    Raises:
        UserError: a row's document holds all texts that may be taken.
    """
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import EncoderConfig, load_encoder

    encoder_config = EncoderConfig(
        model=config.base,
        query_prefix=config.query_prefix,
        passage_prefix=config.passage_prefix,
        max_tokens=config.max_tokens,
    )
    passages = documents.passages(["passage_id", "document_id", "title", "text"])
    number_of = {passage_id: number for number, passage_id in enumerate(passages["passage_id"].to_pylist())}
    positives = np.asarray([number_of[passage_id] for passage_id in rows["passage_id"].to_pylist()], dtype=np.int64)
    document_of = passages["document_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    hashes = documents.text_hashes()
    texts = find_equal_texts(hashes, document_of)
    is_free = free_passages(passages["document_id"].to_pylist(), hashes, held_out)[texts.first]
    _require_rivals(texts, is_free, document_of[positives], len(held_out))
    embeddings = encode_passages_cached(encoder_config, documents.path, place)
    assert list(number_of) == list(embeddings.ids), "the embeddings are of other passages than the folder holds"
    queries = load_encoder(encoder_config, place).encode_queries(rows["query"].to_pylist())
    vectors = embeddings.vectors if texts.all_differ else embeddings.vectors[texts.first]
    depth = min(config.hard_negative_last_rank, len(texts.first))
    ranked, scores = DenseIndex([embeddings.ids[row] for row in texts.first], vectors).search(queries, depth)
    candidates = Candidates(
        ranked=ranked,
        scores=scores,
        positive_scores=np.einsum("ij,ij->i", queries, embeddings.vectors[positives]),
        positive_documents=document_of[positives],
        texts=texts,
        is_free=is_free,
    )
    chosen, num_random = choose_negatives(config, candidates)
    return _with_texts(texts.first[chosen], num_random, passages)


@dataclass(frozen=True)
class Candidates:
    """The result of the search for q queries among n distinct texts.

    Attributes:
        ranked: int64 (q, k), the numbers of the texts, best first, -1 where there are none.
        scores: float32 (q, k), their similarity to the query.
        positive_scores: float32 (q,), the similarity of each query and its own passage.
        positive_documents: int64 (q,), the document of each query's own passage.
        texts: which documents hold each text.
        is_free: bool (n,), whether a text may be taken at all.
    """

    ranked: Rows
    scores: Scores
    positive_scores: Scores
    positive_documents: Rows
    texts: EqualTexts
    is_free: NDArray[np.bool_]


def choose_negatives(config: ModelConfig, candidates: Candidates) -> tuple[Rows, int]:
    """Takes the first allowed candidates of each query, then random texts that its document does not hold.

    Returns:
        int64 (q, num_hard_negatives) numbers of texts, and how many of them are random.
    """
    positive_scores = candidates.positive_scores
    ceiling = positive_scores - (1 - config.hard_negative_margin) * np.abs(positive_scores)
    allowed = (
        (candidates.ranked >= 0)
        & candidates.is_free[candidates.ranked]
        & ~candidates.texts.are_in(candidates.ranked, candidates.positive_documents[:, None])
        & (candidates.scores < ceiling[:, None])
    )
    allowed[:, : config.hard_negative_first_rank - 1] = False
    width = config.num_hard_negatives
    first = np.argsort(~allowed, axis=1, kind="stable")[:, :width]
    chosen = np.where(np.take_along_axis(allowed, first, 1), np.take_along_axis(candidates.ranked, first, 1), -1)
    chosen = np.pad(chosen, ((0, 0), (0, width - chosen.shape[1])), constant_values=-1).astype(np.int64)
    return _fill(chosen, candidates, seed=config.seed)


def _fill(chosen: Rows, candidates: Candidates, *, seed: int) -> tuple[Rows, int]:
    """Puts random texts that the query's document does not hold where `chosen` is -1."""
    free = np.flatnonzero(candidates.is_free)
    rng = np.random.default_rng([seed, _SEED_OF_FILLING])
    gaps = np.argwhere(chosen < 0)
    num_random = len(gaps)
    while len(gaps):
        drawn = free[rng.integers(len(free), size=len(gaps))]
        chosen[gaps[:, 0], gaps[:, 1]] = drawn
        gaps = gaps[candidates.texts.are_in(drawn, candidates.positive_documents[gaps[:, 0]])]
    return chosen, num_random


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


def _with_texts(chosen: Rows, num_random: int, passages: pa.Table) -> Negatives:
    numbers, places = np.unique(chosen, return_inverse=True)
    taken = passages.take(pa.array(numbers))
    titles, texts, documents = (taken[name].to_pylist() for name in ("title", "text", "document_id"))
    passage_texts, rows = list(map(passage_text, titles, texts)), places.reshape(chosen.shape)
    return Negatives(
        texts=[[passage_texts[place] for place in row] for row in rows],
        documents=[[documents[place] for place in row] for row in rows],
        num_random=num_random,
    )
