"""The rank of a query's own document, by arithmetic on small vectors and by the bundled encoder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.errors import UserError
from engine.examples.round_trip import RoundTripConfig, best_own, measure_ranks
from engine.generation.pools import EnginePools
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from engine.runtime.tracking import NoTracker
from engine.search.dense import DenseIndex
from engine.search.encoder import EncoderConfig
from engine.search.fusion import fused_ranks

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
WORDS_OF_LOANS = "secured by water"
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


def test_fused_ranks_are_those_of_reciprocal_rank_fusion() -> None:
    rng = np.random.default_rng(2)
    depth, rows, queries = 7, 24, 60
    rankings = [np.array([rng.permutation(rows)[:depth] for _ in range(queries)]) for _ in range(2)]
    rankings[1][:20, 3:] = -1  # few words are shared
    rankings[1][20:25] = -1  # none are
    owners, own = np.arange(rows) // 3, rng.integers(0, rows // 3, queries)
    ranks = fused_ranks(*rankings, own, owners)
    for query, rank in enumerate(ranks):
        scores = np.zeros(rows)
        for ranking in rankings:
            for position, row in enumerate(ranking[query], 1):
                if row >= 0:
                    scores[row] += 1 / (60 + position)
        mine = owners == own[query]
        assert rank == 1 + (scores[~mine] > scores[mine].max()).sum()


def test_what_both_rankings_have_stands_above_what_one_has_first() -> None:
    first, second = np.array([[0, 1, 2], [0, 1, 2]]), np.array([[3, 1, 4], [3, 1, 4]])
    assert fused_ranks(first, second, np.array([1, 3]), np.arange(6)).tolist() == [1, 2]


def test_a_document_in_neither_ranking_comes_last() -> None:
    first, second = np.array([[0, 1]]), np.array([[1, -1]])
    assert fused_ranks(first, second, np.array([5]), np.arange(6)).tolist() == [3]


def ranks_among_texts(config: RoundTripConfig, queries: list[str], passages: list[str], tmp_path: Path) -> list[int]:
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
    return measure_ranks(config, ENCODER, queries, passages, documents=documents, place=place).tolist()


@pytest.mark.parametrize("hybrid", [True, False])
def test_queries_find_the_document_that_they_are_about(
    hybrid: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.examples.round_trip._QUERIES_AT_ONCE", 2)
    queries = ["how hot should the oven be for a loaf", "how do bees say where flowers are", "how does a pump work"]
    # The first is about another passage of its own document; the last was written from a passage about something else.
    config = RoundTripConfig(top_k=1, hybrid=hybrid)
    ranks = ranks_among_texts(config, queries, ["bread#1", "bees#1", "loans#1"], tmp_path)
    assert ranks[:2] == [1, 1]
    assert ranks[2] > 1


def test_a_query_that_the_encoder_loses_is_found_by_its_words(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "hybrid").mkdir()
    queries, passages = [WORDS_OF_LOANS], ["loans#1"]
    alone = ranks_among_texts(RoundTripConfig(top_k=1, hybrid=False), queries, passages, tmp_path / "alone")
    hybrid = ranks_among_texts(RoundTripConfig(top_k=1), queries, passages, tmp_path / "hybrid")
    assert alone[0] > 1
    assert hybrid == [1]
