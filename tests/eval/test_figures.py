"""report.json has the names that others rely on, and figures only from where they were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.figures import pick
from eval.retrieval.metrics import METRICS
from eval.significance import Bootstrap
from tests.support.small_run import build_run, small_evaluation, small_report


def test_the_names_that_others_rely_on(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report["samples"] == {"planned": 25, "generated": 24, "failed": 1}
    assert report["examples"] == {"kept": 14, "rejected": {"round_trip": 4, "length": 3, "duplicate": 3}}
    assert report["generation"]["prefix_cache_hit_rate"] == 0.71
    assert report["generation"].keys() >= {"samples_per_second", "engine_start_seconds", "output_tokens_per_second"}
    assert report["training"] == {"pairs_per_second": 13.7, "steps": 40, "examples": 9}
    assert report["fingerprints"]["report"] == "0123456789abcdef"
    assert list(report["seconds"]) == ["documents", "prompts", "samples", "examples", "model", "report"]
    assert report["peak_memory_bytes"] == 2_000_000_000
    assert report["decision"].keys() >= {"model", "why"}
    json.dumps(report)


def test_the_forecast_stands_beside_what_generation_cost(tmp_path: Path) -> None:
    cost = small_report(tmp_path)[0]["cost"]
    assert cost["forecast"] == {"samples": 25, "prompt_tokens": 9000, "output_tokens": 25 * 48}
    assert cost["real"] == {"samples": 24, "prompt_tokens": 8600, "output_tokens": 240}
    assert cost["price"] == pytest.approx(9.2 * 0.072 / 3600)
    assert cost["tokens_per_kept"] == pytest.approx((8600 + 240) / 14, abs=0.05)


def test_retrieval_has_every_system_metric_and_interval(tmp_path: Path) -> None:
    figures = small_report(tmp_path)[0]["retrieval"]["tiny"]
    for name in ("bm25", "base", "tuned"):
        assert figures[name].keys() == set(METRICS)
        low, high = figures["ci95"][name]["ndcg@10"]
        assert low <= figures[name]["ndcg@10"] <= high
    difference = figures["difference"]["ndcg@10"]
    assert difference["mean"] == pytest.approx(figures["tuned"]["ndcg@10"] - figures["base"]["ndcg@10"])
    assert difference["ci95"][0] <= difference["mean"] <= difference["ci95"][1]
    assert figures["queries"] == 5
    assert figures["left_out"] == {"demonstration": 1}
    assert figures["relevant_documents_missing"] == 0


def test_the_interval_is_the_bootstraps(tmp_path: Path) -> None:
    evaluation = small_evaluation(build_run(tmp_path / "a"))
    scores = {name: evaluation.shown.scores[name].values["mrr@10"] for name in ("base", "tuned")}
    expected = Bootstrap(resamples=500).difference(scores["base"], scores["tuned"])
    figures = small_report(tmp_path / "b")[0]["retrieval"]["tiny"]
    assert figures["difference"]["mrr@10"]["ci95"] == [expected.low, expected.high]


def test_without_a_benchmark_only_held_out_figures_remain(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    assert report["retrieval"] == {}
    assert report["held_out"]["queries"] == 8


def test_what_a_step_did_not_report_is_none() -> None:
    assert pick({"a": 1}, ("a", "b")) == {"a": 1, "b": None}
