"""Sweeps measure as the report of the same run would: same queries, same figures, same part of the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.retrieval.corpus import read_corpus
from eval.retrieval.ranking import measure
from eval.sweeps.identity import measuring_identity
from eval.sweeps.measuring import MEASURED, both, clusters_of, query_sets, values_per_query
from eval.synthetic import held_out_queries, synthetic_queries
from tests.support.small_run import build_run, place_in, small_benchmark, small_config, small_systems, write_benchmark


def test_values_are_those_of_the_report(tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    words, base, _ = small_systems(corpus)
    systems = [words, base, both(words, base, corpus)]
    values = values_per_query(small_benchmark(), systems, corpus, 100)
    results = measure(small_benchmark(), systems, corpus, 100)
    assert list(values) == ["bm25", "base", "base_words"]
    for name, by_metric in values.items():
        assert list(by_metric) == list(MEASURED)
        for metric in ("ndcg@10", "recall@100"):
            assert (by_metric[metric] == results.scores[name].values[metric]).all()


def test_judged_queries_come_first_and_demonstrations_are_left_out(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    corpus = read_corpus(folders["documents"])
    config = small_config(str(write_benchmark(tmp_path / "tiny")))
    synthetic = synthetic_queries(folders["examples"], 0)
    sets = query_sets(config, folders, corpus, synthetic, place_in(tmp_path))
    assert list(sets) == ["judged", "synthetic"]
    assert set(sets["judged"].queries) == {"q1", "q2", "q3", "q4", "q5"}
    assert list(query_sets(small_config(), folders, corpus, synthetic, place_in(tmp_path))) == ["synthetic"]


def test_queries_of_one_document_are_one_cluster(tmp_path: Path) -> None:
    folders = build_run(tmp_path)
    held_out = held_out_queries(folders["examples"], 0)
    clusters = clusters_of(held_out, {"wool": "tea"})
    assert len(clusters) == len(held_out.queries)
    assert set(clusters) == set(held_out.sources.values()) - {"wool"}
    assert clusters_of(small_benchmark(), {}) == ["q1", "q2", "q3", "q4", "q5"]


def test_only_what_changes_a_measurement_is_part_of_its_identity(tmp_path: Path) -> None:
    config = small_config()
    same = replace(config, latency_repetitions=7, price_per_gpu_hour=1.0, decision_level=0.9, choice_queries=3)
    assert measuring_identity(same) == measuring_identity(config)
    others = [
        replace(config, bm25_k1=1.0),
        replace(config, k=200),
        replace(config, language="german"),
        replace(config, seed=1),
        small_config(str(write_benchmark(tmp_path / "tiny"))),
    ]
    identities = [measuring_identity(other) for other in [config, *others]]
    assert all(identities.count(identity) == 1 for identity in identities)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_with_all_of_the_weight_one_system_is_left(tmp_path: Path, weight: float) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    words, base, _ = small_systems(corpus)
    values = values_per_query(small_benchmark(), [words, base, both(words, base, corpus, weight)], corpus, 100)
    assert (values["base_words"]["ndcg@10"] == values["bm25" if weight else "base"]["ndcg@10"]).all()
