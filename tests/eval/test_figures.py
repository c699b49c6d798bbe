"""A report's figures come only from where they were measured: an evaluation, and the records of the steps."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.generation.config import GeneratorKind
from engine.runtime.identity import identity_of
from engine.samples.config import SamplesConfig
from engine.storage.store import read_record
from eval.asking.answers import FAKE
from eval.cost import Amounts
from eval.figures import assemble, with_effort
from eval.report import ExampleCounts, GenerationRates, SampleCounts, TrainingFigures
from tests.support.small_run import (
    ANALYSER,
    CONFIGS,
    RECORDS,
    SAMPLES_RECORD,
    build_run,
    small_config,
    small_evaluation,
    small_report,
)


def test_what_the_steps_recorded_is_repeated(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.documents == RECORDS["documents"]
    assert report.samples == SampleCounts(planned=25, generated=24, failed=1)
    assert report.examples == ExampleCounts(kept=14, rejected={"round_trip": 4, "length": 3, "duplicate": 3})
    assert report.generation == GenerationRates(
        **{name: getattr(SAMPLES_RECORD.generation, name) for name in GenerationRates.__dataclass_fields__}
    )
    assert report.training == TrainingFigures(13.7, 40, 9, 3, 16, 2e-5, "ranking", "fp32", 0.0), "as it was done"
    assert report.settings.training == CONFIGS["model"]


def test_fingerprints_times_and_the_largest_memory_of_all_steps_are_gathered(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.fingerprints["report"] == "0123456789abcdef"
    assert list(report.seconds) == ["documents", "prompts", "samples", "examples", "model", "report"]
    assert report.seconds["report"] == 9.1
    assert report.peak_memory_bytes == 2_000_000_000
    assert with_effort(report, seconds=1.23456, peak_memory_bytes=3_000_000_000).peak_memory_bytes == 3_000_000_000
    assert with_effort(report, seconds=1.23456, peak_memory_bytes=0).seconds["report"] == 1.235


def test_the_passages_are_those_that_were_searched(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.documents.passages == len(small_evaluation(build_run(tmp_path / "again")).corpus.passage_ids)


def test_the_forecast_stands_beside_what_generation_cost(tmp_path: Path) -> None:
    cost = small_report(tmp_path)[0].cost
    assert cost.forecast == Amounts(samples=25, prompt_tokens=9000, output_tokens=25 * 48)
    assert cost.real == Amounts(samples=24, prompt_tokens=8600, output_tokens=240)
    assert cost.price == pytest.approx(9.2 * 0.072 / 3600)
    assert cost.tokens_per_kept == pytest.approx((8600 + 240) / 14, abs=0.05)


def test_the_settings_repeat_the_encoder_of_the_run(tmp_path: Path) -> None:
    settings = small_report(tmp_path)[0].settings
    assert asdict(settings.bootstrap) == {"resamples": 500, "seed": 0, "decision_level": 0.95}
    assert (settings.encoder.model, settings.encoder.max_tokens) == ("bundled:all-minilm-l6-v2", 64)


def test_how_bm25_read_words_stands_in_the_settings(tmp_path: Path) -> None:
    bm25 = small_report(tmp_path)[0].settings.bm25
    assert asdict(bm25) == {"k1": 1.5, "b": 0.75, "analyser": ANALYSER, "round_trip": RECORDS["examples"].analyser}
    assert bm25.analyser == bm25.round_trip != ""


def test_without_a_benchmark_only_held_out_figures_remain(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    assert report.retrieval == {}
    assert report.held_out.queries == 8


def test_a_cut_of_the_held_out_queries_stands_in_the_settings(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    evaluation = small_evaluation(folders)
    assert small_report(tmp_path / "whole")[0].settings.held_out == {}
    figures = replace(evaluation.held_out_figures, queries=8, left_out={"max_held_out": 92})
    evaluation = replace(evaluation, held_out_figures=figures)
    quality = small_report(tmp_path / "again")[0].data_quality
    report = assemble(small_config(), folders, tmp_path / "report", evaluation, quality)
    assert report.settings.held_out == {"drawn": 8, "of": 100}


def test_samples_of_the_fake_generator_are_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not small_report(tmp_path / "real")[0].samples.is_made_up
    monkeypatch.setitem(CONFIGS, "samples", {**CONFIGS["samples"], "generator": FAKE})
    assert small_report(tmp_path / "fake")[0].samples.is_made_up
    assert identity_of(SamplesConfig(generator=GeneratorKind.fake))["generator"] == FAKE  # type: ignore[index]


def test_earlier_rounds_are_in_the_cost_and_the_times_or_nobody_knows_them(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    evaluation, report = small_evaluation(folders), small_report(tmp_path / "again")[0]
    quality = report.data_quality
    before = {noun: read_record(folders[noun]) for noun in ("prompts", "samples", "examples")}
    one, two, unknown = (
        assemble(small_config(), folders, tmp_path / "report", evaluation, quality, earlier=earlier)
        for earlier in ([], [before], None)
    )
    assert one.cost == report.cost
    assert two.cost.cpu_seconds == 2 * (one.cost.cpu_seconds or 0.0) > 0
    assert two.cost.price == pytest.approx(2 * (one.cost.price or 0.0))
    assert two.cost.price_per_1000_kept == pytest.approx(2 * (one.cost.price_per_1000_kept or 0.0), abs=1e-5)
    assert two.cost.tokens_per_kept == one.cost.tokens_per_kept, "the rows of the last round are those of both"
    assert (two.seconds["samples"], two.seconds["model"]) == (2 * one.seconds["samples"], one.seconds["model"])
    assert two.times["generation"].seconds == 2 * one.times["generation"].seconds
    assert (unknown.cost.cpu_seconds, unknown.cost.price, unknown.cost.price_per_1000_kept) == (None, None, None)
    assert unknown.cost.real == one.cost.real
