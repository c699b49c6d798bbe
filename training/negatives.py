"""Hard negatives: passages that the base ranks high for a query and that do not answer it.

In: the training rows and the documents folder. Out: per row some passages and the documents they are of.

The rule against taking an unmarked answer is NV-Retriever's (Moreira et al. 2024): a candidate that scores more than
95 % of what the query's own passage scores is left alone. A row with too few candidates is filled up with passages
drawn from other documents, because every row of a batch needs as many columns; their number is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from training.config import ModelConfig


Indices = NDArray[np.int64]


Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Negatives:
    """What was mined for rows 0, 1, 2...

    Attributes:
        texts: per row `num_hard_negatives` passages as the encoder reads them.
        documents: their documents, in the same order.
        num_filled: how many of them were drawn at random for want of candidates.
    """

    texts: list[list[str]]
    documents: list[list[str]]
    num_filled: int


def mine_negatives(config: ModelConfig, rows: pa.Table, documents_folder: Path, place: Place) -> Negatives:
    """Searches with the base for what it confuses with each row's passage.

    Args:
        config: its `num_hard_negatives` and `hard_negative_*`.
        rows: columns query, passage_id, document_id.
        documents_folder: finished output of the documents step.
        place: where the embeddings of the passages are kept.
    """
    from engine.artifacts.documents import passage_text
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import Encoder, EncoderConfig

    encoder_config = EncoderConfig(
        model=config.base,
        query_prefix=config.query_prefix,
        passage_prefix=config.passage_prefix,
        max_tokens=config.max_tokens,
    )
    embeddings = encode_passages_cached(encoder_config, documents_folder, place)
    queries = Encoder(encoder_config).encode_queries(rows["query"].to_pylist())
    number = {name: index for index, name in enumerate(embeddings.ids)}
    own = np.asarray([number[name] for name in rows["passage_id"].to_pylist()], dtype=np.int64)
    last = min(config.hard_negative_last_rank, len(embeddings.ids))
    found, scores = DenseIndex(embeddings.ids, embeddings.vectors).search(queries, last)
    passages = _passages(documents_folder, embeddings.ids)
    document_names, document_of = np.unique(np.asarray(passages["document_id"].to_pylist()), return_inverse=True)
    candidates = Candidates(
        found=found,
        scores=scores,
        own_scores=np.einsum("ij,ij->i", queries, embeddings.vectors[own]),
        own_documents=document_of[own],
        document_of=document_of,
    )
    chosen, num_filled = choose_negatives(config, candidates)
    titles, texts = passages["title"].to_pylist(), passages["text"].to_pylist()
    return Negatives(
        texts=[[passage_text(titles[index], texts[index]) for index in row] for row in chosen],
        documents=[[str(document_names[document_of[index]]) for index in row] for row in chosen],
        num_filled=num_filled,
    )


@dataclass(frozen=True)
class Candidates:
    """What the search returned for q queries and n passages.

    Attributes:
        found: int64 (q, k), passages by number, best first, -1 where there are none.
        scores: float32 (q, k), their cosines.
        own_scores: float32 (q,), cosine of each query with its own passage.
        own_documents: int64 (q,), the document of each query's passage.
        document_of: int64 (n,), the document of each passage.
    """

    found: Indices
    scores: Floats
    own_scores: Floats
    own_documents: Indices
    document_of: Indices


def choose_negatives(config: ModelConfig, candidates: Candidates) -> tuple[Indices, int]:
    """The first allowed candidates of each query, then random passages of other documents.

    Returns:
        int64 (q, num_hard_negatives) passage numbers, and how many of them are random.
    """
    ceiling = candidates.own_scores - (1 - config.hard_negative_margin) * np.abs(candidates.own_scores)
    allowed = (
        (candidates.found >= 0)
        & (candidates.document_of[candidates.found] != candidates.own_documents[:, None])
        & (candidates.scores < ceiling[:, None])
    )
    allowed[:, : config.hard_negative_first_rank - 1] = False
    wanted = config.num_hard_negatives
    first = np.argsort(~allowed, axis=1, kind="stable")[:, :wanted]
    chosen = np.where(np.take_along_axis(allowed, first, 1), np.take_along_axis(candidates.found, first, 1), -1)
    chosen = np.pad(chosen, ((0, 0), (0, wanted - chosen.shape[1])), constant_values=-1).astype(np.int64)
    return _fill(chosen, candidates, seed=config.seed)


def _fill(chosen: Indices, candidates: Candidates, *, seed: int) -> tuple[Indices, int]:
    """Puts random passages of other documents where `chosen` is -1."""
    assert len(np.unique(candidates.document_of)) > 1, "negatives need passages of at least two documents"
    rng = np.random.default_rng([seed, 0x6E6567])
    open_places = missing = np.argwhere(chosen < 0)
    while len(open_places):
        drawn = rng.integers(len(candidates.document_of), size=len(open_places))
        chosen[open_places[:, 0], open_places[:, 1]] = drawn
        same = candidates.document_of[drawn] == candidates.own_documents[open_places[:, 0]]
        open_places = open_places[same]
    return chosen, len(missing)


def _passages(documents_folder: Path, ids: list[str]) -> pa.Table:
    """Rows of passages.parquet in the order of `ids`."""
    table = pq.read_table(documents_folder / "passages.parquet", columns=["passage_id", "document_id", "title", "text"])
    number = {name: index for index, name in enumerate(table["passage_id"].to_pylist())}
    return table.take(pa.array([number[name] for name in ids]))
