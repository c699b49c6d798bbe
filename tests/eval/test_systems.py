"""The systems of a report have the names and the settings that it says, and are made of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.search.analyser import make_analyser
from engine.search.cross_encoder import CrossEncoder
from engine.search.order import Scores
from engine.search.reranked import RerankedSystem
from engine.search.systems import DenseSystem, System
from eval.evaluation import evaluate_systems
from eval.retrieval.corpus import SYSTEMS, read_corpus, with_words
from eval.systems import build_systems, describe, scoring_once
from tests.support.models import write_cross_encoder
from tests.support.small_run import build_run, place_in, small_config, write_benchmark
from tests.support.training import write_base


def test_names_in_words() -> None:
    assert [describe(name) for name in SYSTEMS] == ["BM25", "base", "tuned"]
    assert describe(with_words("tuned")) == "tuned + words"
    assert describe("e5-small") == "e5-small"
    assert describe("bm25+queries") == "BM25 + stored queries, by ranks"
    assert describe("30%bm25+70%e5") == "30 % BM25 + 70 % e5"
    assert describe("bm25+base@50@minilm") == "BM25 + base, by ranks, first 50 reranked by minilm"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a small encoder in place of the tuned model, and a small cross-encoder."""
    home = tmp_path_factory.mktemp("systems")
    build_run(home / "store")
    write_cross_encoder(home / "models")
    return home


def built(home: Path, **settings: object) -> dict[str, System]:
    """The systems of that run, its base and its tuned model being the small encoder."""
    encoder = str(home / "models" / "base" / "encoder")
    config = replace(small_config(), **settings)  # type: ignore[arg-type]
    config = replace(config, encoder=replace(config.encoder, model=encoder))
    inputs = {noun: next((home / "store" / noun).iterdir()) for noun in ("documents", "examples")}
    inputs["model"] = Path(encoder)
    corpus = read_corpus(inputs["documents"])
    analyser = make_analyser("english", corpus.texts)
    systems = build_systems(config, inputs, corpus, analyser, place_in(home))
    assert len({system.name for system in systems}) == len(systems)
    return {system.name: system for system in systems}


def test_the_three_come_first_and_fusions_by_default(home: Path) -> None:
    assert list(built(home)) == [*SYSTEMS, "bm25+base", "bm25+tuned"]
    assert list(built(home, fusions=[])) == list(SYSTEMS)


def test_further_encoders_stand_alone_and_with_words(home: Path) -> None:
    other = write_base(home / "other") if not (home / "other").exists() else home / "other" / "encoder"
    bases = [str(other), {"model": str(other), "name": "short", "max_tokens": 8, "query_prefix": "query "}]
    systems = built(home, bases=bases, fusions=["60%encoder+40%short", "bm25+encoder"])
    alone = [*SYSTEMS, "encoder", "short"]
    assert list(systems) == [*alone, "50%bm25+50%encoder", "50%bm25+50%short", "60%encoder+40%short", "bm25+encoder"]
    first, second = systems["encoder"], systems["short"]
    assert isinstance(first, DenseSystem)
    assert isinstance(second, DenseSystem)
    assert (first.encoder.max_tokens, second.encoder.max_tokens, second.encoder.usage.query_prefix) == (64, 8, "query ")
    assert len(list((home / "store" / "embeddings").glob("*.npy"))) >= 2, "each has vectors of its own"


def test_stored_queries_are_built_where_they_are_named(home: Path) -> None:
    systems = built(home, fusions=["bm25+base", "bm25+base+queries-sum", "queries"])
    assert list(systems) == [*SYSTEMS, "queries", "queries-sum", "bm25+base", "bm25+base+queries-sum"]
    assert "queries-sum" not in built(home, fusions=["bm25+queries"])
    rows, _ = systems["bm25+base+queries-sum"].prepare(["cool cellar"])(5)
    assert rows.shape == (1, 5)


def test_a_reranker_makes_a_system_of_each_depth_and_scores_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"model": str(home / "models" / "cross"), "name": "tiny", "first": "bm25+base", "depths": [2, 5]}
    systems = built(home, rerankers=[entry], fusions=[])
    assert list(systems) == [*SYSTEMS, "bm25+base@5@tiny", "bm25+base@2@tiny"]
    asked, score = list[int](), CrossEncoder.score

    def counted(scorer: CrossEncoder, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        asked.append(len(queries))
        return score(scorer, queries, passages)

    monkeypatch.setattr(CrossEncoder, "score", counted)
    with scoring_once(list(systems.values())):
        for system in systems.values():
            system.prepare(["cool cellar", "a hive"])(3)
    assert asked == [10]
    systems["bm25+base@2@tiny"].prepare(["cool cellar"])(1)
    assert asked == [10, 2], "outside it every pair is scored, as it is where time is measured"
    first = systems["bm25+base@5@tiny"]
    assert isinstance(first, RerankedSystem)
    assert first.first.name == "bm25+base"


def test_a_report_measures_all_of_them(home: Path) -> None:
    encoder = str(home / "models" / "base" / "encoder")
    config = small_config(str(write_benchmark(home / "tiny")))
    config = replace(
        config,
        encoder=replace(config.encoder, model=encoder),
        rerankers=[{"model": str(home / "models" / "cross"), "first": "base", "depths": [5]}],
        fusions=["bm25+queries"],
    )
    inputs = {noun: next((home / "store" / noun).iterdir()) for noun in ("documents", "prompts", "examples")}
    inputs["model"] = Path(encoder)
    evaluation = evaluate_systems(config, inputs, place_in(home))
    names = [*SYSTEMS, "queries", "bm25+queries", "base@5@cross"]
    assert list(evaluation.latency) == [*names, "base_words", "tuned_words"]
    assert evaluation.latency["base@5@cross"].encode is None
    assert list(evaluation.shown.scores)[: len(names)] == names
    curve = evaluation.reranking["cross"]
    assert (curve.first, curve.queries, [point.depth for point in curve.points]) == ("base", 5, [0, 5])
    assert curve.points[0].ndcg == pytest.approx(evaluation.shown.scores["base"].means()["ndcg@10"])
    assert curve.points[1].ndcg == pytest.approx(evaluation.shown.scores["base@5@cross"].means()["ndcg@10"])
    assert curve.points[1].latency_ms == evaluation.latency["base@5@cross"].p50_ms, "nothing is timed twice"
    assert list(evaluation.held_out.scores) == list(SYSTEMS), "where people's questions are shown"
