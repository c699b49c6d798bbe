"""report.json keeps its names and their order, and reads back as the record that it was written from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.storage.files import write_json
from engine.storage.typed import from_json_values
from eval.data_quality.queries import DataQuality, QueryFigures, WordLengths
from eval.report import GenerationRates, Report, read_report
from eval.retrieval.latency import Latency, Percentiles
from tests.support.small_run import small_report

KEYS = Path(__file__).with_name("report_keys.txt").read_text().splitlines()
"""Every key of the small run's report.json, in order; scripts outside the project read the file by these names."""


def key_paths(values: dict[str, Any], start: str = "") -> Iterator[str]:
    """Dotted names of all values that are no mapping, and of empty mappings."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from key_paths(value, f"{start}{name}.")
        else:
            yield f"{start}{name}"


def test_the_file_has_the_keys_that_it_always_had_in_their_order(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    write_json(tmp_path / "report.json", report.as_json())
    assert list(key_paths(json.loads((tmp_path / "report.json").read_text()))) == KEYS


def test_without_a_benchmark_only_what_comes_from_it_is_missing(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path, judged=False)
    of_benchmark = (
        "retrieval.",
        "data_quality.real.",
        "data_quality.distinct_2_at_equal_number.",
        "data_quality.diversity.real.",
        "data_quality.meaning.real.",
        "data_quality.meaning.synthetic.nearest_other",
    )
    expected = ["retrieval" if key == "retrieval.tiny.bm25.ndcg@10" else key for key in KEYS]
    assert list(key_paths(report.as_json())) == [key for key in expected if not key.startswith(of_benchmark)]


@pytest.mark.parametrize("judged", [True, False])
def test_a_report_reads_back_as_it_was(tmp_path: Path, judged: bool) -> None:
    report, _ = small_report(tmp_path, judged=judged)
    write_json(tmp_path / "report.json", report.as_json())
    again = read_report(tmp_path)
    assert again == report
    assert json.dumps(again.as_json()) == json.dumps(report.as_json())


def test_a_report_from_before_there_was_a_choice_reads_back(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    values = report.as_json()
    del values["recommendation"]
    assert from_json_values(Report, values) == replace(report, recommendation=None)


def test_a_report_from_before_the_tuned_model_s_prefixes_were_told_reads_back(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    values = report.as_json()
    del values["settings"]["tuned"]
    assert from_json_values(Report, values) == replace(report, settings=replace(report.settings, tuned=None))


def test_a_report_from_before_systems_had_sizes_and_folds_reads_back(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    assert report.recommendation
    values = report.as_json()
    for name in ("weight", "folds", "seen"):
        del values["recommendation"][name]
    for figures in values["recommendation"]["systems"].values():
        for name in ("p_holm", "recall", "index_bytes"):
            del figures[name]
    del values["data_quality"]["meaning"]
    known = from_json_values(Report, values).recommendation
    assert known
    assert (known.weight, known.folds, known.seen) == (None, 0, None)
    assert known.systems["base"].mean == report.recommendation.systems["base"].mean
    assert (known.systems["base"].recall, known.systems["base"].p_holm) == ({}, None)


def test_a_figure_that_no_step_reported_is_null_and_what_does_not_exist_is_left_out(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path)
    nothing = QueryFigures(0, WordLengths(histogram={}), 0.0, 0)
    values = replace(
        report,
        generation=GenerationRates(None, None, None, None, None),
        latency={"bm25": Latency(search=Percentiles(1.0, 2.0))},
        data_quality=DataQuality(kept=nothing, conditions={}),
    ).as_json()
    assert set(values["generation"].values()) == {None}
    assert values["latency"] == {"bm25": {"search": {"p50_ms": 1.0, "p95_ms": 2.0}}}
    kept = {"queries": 0, "words": {"histogram": {}}, "distinct_2": 0.0, "vocabulary": 0}
    assert values["data_quality"] == {"kept": kept, "conditions": {}, "diversity": {}, "meaning": {}}


def test_a_report_without_a_figure_that_every_report_has_is_refused(tmp_path: Path) -> None:
    values = small_report(tmp_path)[0].as_json()
    del values["retrieval"]["tiny"]["tuned"]
    with pytest.raises(ValidationError, match=r"retrieval\.tiny\.tuned"):
        from_json_values(Report, values)
