"""The rank of a query's own document, by arithmetic on small vectors and by the bundled encoder."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PASSAGES
from engine.artifacts.documents import DocumentsFolder
from engine.errors import UserError
from engine.examples.round_trip import RoundTripConfig, best_of_document, measure_ranks
from engine.runtime.cluster import ClusterConfig
from engine.search.dense import DenseIndex
from engine.search.encoder import EncoderConfig
from tests.support.places import quiet_place

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64)
WORDS_OF_LOANS = "secured by water"
TEXTS = {
    "bread": ["Sourdough bread rises slowly because of wild yeast.", "Bake the loaf in a very hot oven with steam."],
    "bees": ["Bees dance to tell each other where the flowers are."],
    "pumps": ["A centrifugal pump moves water with a spinning impeller."],
    "loans": ["A mortgage is a loan that is secured by a house."],
}


def test_the_best_passage_of_a_document_is_found() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(40, 8)).astype(np.float32)
    passages = rng.normal(size=(25, 8)).astype(np.float32)
    document_of, sources = rng.integers(0, 6, 25), rng.integers(0, 6, 40)
    document_of[:6] = np.arange(6)
    for query, row in enumerate(best_of_document(queries, passages, sources, document_of)):
        same_document = np.flatnonzero(document_of == sources[query])
        assert row == same_document[np.argmax(passages[same_document] @ queries[query])]


def test_blocks_of_scores_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    document_of = np.arange(30) // 5
    whole = best_of_document(vectors, vectors[::-1], document_of, document_of)
    monkeypatch.setattr("engine.examples.round_trip._SCORES_AT_ONCE", 7)
    assert (best_of_document(vectors, vectors[::-1], document_of, document_of) == whole).all()


def test_passages_of_the_same_document_never_stand_above_it() -> None:
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(30, 8)).astype(np.float32)
    passages = rng.normal(size=(20, 8)).astype(np.float32)
    document_of, sources = np.arange(20) // 4, rng.integers(0, 5, 30)
    index = DenseIndex([str(row) for row in range(20)], passages)
    ranks = index.rank_of(queries, best_of_document(queries, passages, sources, document_of))
    for query, rank in enumerate(ranks):
        scores = passages @ queries[query]
        same_document = document_of == sources[query]
        assert rank == 1 + (scores[~same_document] > scores[same_document].max()).sum()


def test_a_document_without_passages_is_a_defect() -> None:
    vectors = np.eye(2, dtype=np.float32)
    with pytest.raises(AssertionError, match="has no passage"):
        best_of_document(vectors, vectors, np.array([0, 7]), np.array([0, 1]))


def test_top_k_must_be_reachable() -> None:
    with pytest.raises(UserError, match=r"examples.round_trip.top_k: 0 keeps nothing; set it to 1 or more"):
        RoundTripConfig(top_k=0)


def ranks_among_texts(
    config: RoundTripConfig,
    queries: list[str],
    passages: list[str],
    tmp_path: Path,
    collection: dict[str, list[str]] = TEXTS,
) -> list[int]:
    rows = [
        {"passage_id": f"{name}#{number}", "document_id": name, "title": "", "text": text, "position": number}
        for name, texts in collection.items()
        for number, text in enumerate(texts, 1)
    ]
    documents = tmp_path / "documents"
    documents.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), documents / "passages.parquet")
    place = quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=2))
    folder = DocumentsFolder(documents)
    ranks, analyser = measure_ranks(config, ENCODER, queries, passages, documents=folder, place=place)
    assert analyser == ("English: Snowball stemmer, stop words" if config.hybrid else "")
    return list(map(int, ranks))


@pytest.mark.parametrize("hybrid", [True, False])
def test_queries_find_the_document_that_they_are_about(
    hybrid: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.examples.round_trip._QUERIES_AT_ONCE", 2)
    queries = ["how hot should the oven be for a loaf", "how do bees say where flowers are", "how does a pump work"]
    # The first is about another passage of its document; the last was written from a passage about something else.
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


@pytest.mark.parametrize("hybrid", [True, False])
def test_a_collection_in_which_every_text_stands_twice_has_the_same_ranks(hybrid: bool, tmp_path: Path) -> None:
    queries = ["how hot should the oven be", "where are flowers", "moves water with a wheel", WORDS_OF_LOANS, "a loan"]
    passages = ["bread#2", "bees#1", "loans#1", "loans#1", "pumps#1"]
    config = RoundTripConfig(top_k=1, hybrid=hybrid)
    copies = {f"copy of {name}": [f" {text.replace(' ', '  ', 1)}" for text in texts] for name, texts in TEXTS.items()}
    both = {**copies, **TEXTS}
    for folder in ("once", "twice", "copies"):
        (tmp_path / folder).mkdir()
    once = ranks_among_texts(config, queries, passages, tmp_path / "once")
    assert max(once) > 1, "some query is lost, so that rivals count"
    assert ranks_among_texts(config, queries, passages, tmp_path / "twice", both) == once
    copied = [f"copy of {passage}" for passage in passages]
    assert ranks_among_texts(config, queries, copied, tmp_path / "copies", both) == once


def test_a_text_that_two_documents_hold_is_the_source_in_both(tmp_path: Path) -> None:
    notice = "All rights to the texts of this handbook are reserved by the publisher."
    collection = {name: [*texts, notice] for name, texts in TEXTS.items()}
    passages = [f"{name}#{len(texts)}" for name, texts in collection.items()]
    queries = ["who holds the rights to the handbook"] * len(passages)
    config = RoundTripConfig(hybrid=False)
    assert ranks_among_texts(config, queries, passages, tmp_path, collection) == [1] * len(passages)


def test_the_language_counts_only_where_bm25_takes_part() -> None:
    german, english = RoundTripConfig(language="german"), RoundTripConfig(language="english")
    assert german.identity() != english.identity()
    alone = [RoundTripConfig(language=name, hybrid=False).identity() for name in ("german", "english")]
    assert alone[0] == alone[1] != english.identity()
    with pytest.raises(UserError, match=r"examples\.round_trip\.language=germann: BM25 knows no such language"):
        RoundTripConfig(language="germann").identity()
