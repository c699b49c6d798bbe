"""The rank of a query's own document, by arithmetic on small vectors and by the bundled encoder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.cluster import ClusterConfig
from engine.console import Console
from engine.encoder import EncoderConfig
from engine.errors import UserError
from engine.memory import MemorySampler
from engine.place import Place
from engine.pool import EnginePools
from engine.records import PASSAGES
from engine.round_trip import RoundTripConfig, best_own, measure_ranks
from engine.search import DenseIndex
from engine.tracking import NoTracker

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
TEXTS = {
    "bread": ["Sourdough bread rises slowly because of wild yeast.", "Bake the loaf in a very hot oven with steam."],
    "bees": ["Bees dance to tell each other where the flowers are."],
    "pumps": ["A centrifugal pump moves water with a spinning impeller."],
    "loans": ["A mortgage is a loan that is secured by a house."],
}


def test_best_own_is_the_best_of_the_documents_passages() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(40, 8)).astype(np.float32)
    passages = rng.normal(size=(25, 8)).astype(np.float32)
    owners, own = rng.integers(0, 6, 25), rng.integers(0, 6, 40)
    owners[:6] = np.arange(6)
    found = best_own(queries, passages, own, owners)
    for query, row in enumerate(found):
        mine = np.flatnonzero(owners == own[query])
        assert row == mine[np.argmax(passages[mine] @ queries[query])]


def test_passages_of_the_own_document_never_stand_above_it() -> None:
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(30, 8)).astype(np.float32)
    passages = rng.normal(size=(20, 8)).astype(np.float32)
    owners, own = np.arange(20) // 4, rng.integers(0, 5, 30)
    index = DenseIndex([str(row) for row in range(20)], passages)
    ranks = index.rank_of(queries, best_own(queries, passages, own, owners))
    for query, rank in enumerate(ranks):
        scores = passages @ queries[query]
        mine = owners == own[query]
        assert rank == 1 + (scores[~mine] > scores[mine].max()).sum()


def test_a_document_without_passages_is_a_defect() -> None:
    vectors = np.eye(2, dtype=np.float32)
    with pytest.raises(AssertionError, match="has no passage"):
        best_own(vectors, vectors, np.array([0, 7]), np.array([0, 1]))


def test_top_k_must_be_reachable() -> None:
    with pytest.raises(UserError, match=r"examples.round_trip.top_k: 0 keeps nothing; set it to 1 or more"):
        RoundTripConfig(top_k=0)


def test_queries_find_the_document_that_they_are_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.round_trip._QUERIES_AT_ONCE", 2)
    rows = [
        {"passage_id": f"{name}#{number}", "document_id": name, "title": name, "text": text, "position": number}
        for name, texts in TEXTS.items()
        for number, text in enumerate(texts, 1)
    ]
    documents = tmp_path / "documents"
    documents.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), documents / "passages.parquet")
    cluster = ClusterConfig(num_cpus=2)
    place = Place(tmp_path, tmp_path, cluster, Console(), NoTracker(), MemorySampler(), EnginePools())
    queries = ["how hot should the oven be for a loaf", "how do bees say where flowers are", "how does a pump work"]
    # The first is about another passage of its own document; the last was written from a passage about something else.
    passages = ["bread#1", "bees#1", "loans#1"]
    ranks = measure_ranks(ENCODER, queries, passages, documents, place)
    assert ranks[:2].tolist() == [1, 1]
    assert ranks[2] > 1
