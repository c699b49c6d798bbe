"""Mines hard negatives: passages that the base ranks high for a query and that do not answer it.

In: the training rows and the documents folder. Out: per row some passages and the documents they are of. Passages of
held-out documents are never taken, nor passages of the same text: the report measures with queries of these documents,
and a model that learned to rank them low would lose where it has learned nothing else.

The rule against taking an unmarked answer is NV-Retriever's (Moreira et al. 2024): a candidate that scores more than
95 % of what the query's own passage scores is left alone. A row with too few candidates is filled up with passages
drawn from other documents, because every row of a batch needs as many columns; their number is recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.artifacts.documents import passage_text
from engine.errors import UserError
from engine.text.hashes import text_hash

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
        UserError: the passages that may be taken are of fewer than two documents.
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
    is_free = _is_free(passages, held_out)
    embeddings = encode_passages_cached(encoder_config, documents.path, place)
    queries = load_encoder(encoder_config, place).encode_queries(rows["query"].to_pylist())
    number_of = {passage_id: number for number, passage_id in enumerate(passages["passage_id"].to_pylist())}
    assert list(number_of) == list(embeddings.ids), "the embeddings are of other passages than the folder holds"
    positives = np.asarray([number_of[passage_id] for passage_id in rows["passage_id"].to_pylist()], dtype=np.int64)
    depth = min(config.hard_negative_last_rank, passages.num_rows)
    ranked, scores = DenseIndex(embeddings.ids, embeddings.vectors).search(queries, depth)
    _, document_of = np.unique(np.asarray(passages["document_id"].to_pylist()), return_inverse=True)
    candidates = Candidates(
        ranked=ranked,
        scores=scores,
        positive_scores=np.einsum("ij,ij->i", queries, embeddings.vectors[positives]),
        positive_documents=document_of[positives],
        document_of=document_of,
        is_free=is_free,
    )
    return _with_texts(*choose_negatives(config, candidates), passages)


@dataclass(frozen=True)
class Candidates:
    """The result of the search for q queries among n passages.

    Attributes:
        ranked: int64 (q, k), the numbers of the passages, best first, -1 where there are none.
        scores: float32 (q, k), their similarity to the query.
        positive_scores: float32 (q,), the similarity of each query and its own passage.
        positive_documents: int64 (q,), the document of each query's own passage.
        document_of: int64 (n,), the document of each passage.
        is_free: bool (n,), whether a passage may be taken at all.
    """

    ranked: Rows
    scores: Scores
    positive_scores: Scores
    positive_documents: Rows
    document_of: Rows
    is_free: NDArray[np.bool_]


def choose_negatives(config: ModelConfig, candidates: Candidates) -> tuple[Rows, int]:
    """Takes the first allowed candidates of each query, then random passages of other documents.

    Returns:
        int64 (q, num_hard_negatives) passage numbers, and how many of them are random.
    """
    positive_scores = candidates.positive_scores
    ceiling = positive_scores - (1 - config.hard_negative_margin) * np.abs(positive_scores)
    allowed = (
        (candidates.ranked >= 0)
        & candidates.is_free[candidates.ranked]
        & (candidates.document_of[candidates.ranked] != candidates.positive_documents[:, None])
        & (candidates.scores < ceiling[:, None])
    )
    allowed[:, : config.hard_negative_first_rank - 1] = False
    width = config.num_hard_negatives
    first = np.argsort(~allowed, axis=1, kind="stable")[:, :width]
    chosen = np.where(np.take_along_axis(allowed, first, 1), np.take_along_axis(candidates.ranked, first, 1), -1)
    chosen = np.pad(chosen, ((0, 0), (0, width - chosen.shape[1])), constant_values=-1).astype(np.int64)
    return _fill(chosen, candidates, seed=config.seed)


def _fill(chosen: Rows, candidates: Candidates, *, seed: int) -> tuple[Rows, int]:
    """Puts random passages of other documents where `chosen` is -1."""
    free = np.flatnonzero(candidates.is_free)
    assert len(np.unique(candidates.document_of[free])) > 1, "negatives need passages of at least two documents"
    rng = np.random.default_rng([seed, _SEED_OF_FILLING])
    gaps = np.argwhere(chosen < 0)
    num_random = len(gaps)
    while len(gaps):
        drawn = free[rng.integers(len(free), size=len(gaps))]
        chosen[gaps[:, 0], gaps[:, 1]] = drawn
        gaps = gaps[candidates.document_of[drawn] == candidates.positive_documents[gaps[:, 0]]]
    return chosen, num_random


def _is_free(passages: pa.Table, held_out: Collection[str]) -> NDArray[np.bool_]:
    """Tells for each passage whether its document may be trained on, and no held-out passage has the same text."""
    documents = passages["document_id"].to_pylist()
    texts = [text_hash(" ".join(text.split())) for text in passages["text"].to_pylist()]
    held_out_texts = {text for document, text in zip(documents, texts, strict=True) if document in held_out}
    free = [text not in held_out_texts for text in texts]
    if len({document for document, is_free in zip(documents, free, strict=True) if is_free}) < 2:
        raise UserError(
            f"no passages of two documents are left beside those of {len(held_out)} held-out ones and equal texts",
            where="model.num_hard_negatives",
            remedy="set it to 0, or lower examples.validation_share",
        )
    return np.asarray(free, dtype=np.bool_)


def _with_texts(chosen: Rows, num_random: int, passages: pa.Table) -> Negatives:
    titles, texts, documents = (passages[name].to_pylist() for name in ("title", "text", "document_id"))
    return Negatives(
        texts=[[passage_text(titles[number], texts[number]) for number in row] for row in chosen],
        documents=[[documents[number] for number in row] for row in chosen],
        num_random=num_random,
    )
