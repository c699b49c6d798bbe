"""Whoever searches by a report reads as its models read, where each of them has prefixes of its own.

The base asks for prefixes and the tuned model for none, as where `report.encoder.model` is not the base that was tuned.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.main import main
from engine.command_line.search import SearchOptions, search_run
from engine.handover.config import SystemConfig
from engine.handover.step import hand_over
from engine.models.resolve import resolve_model
from engine.storage.files import write_json
from engine.storage.run_folders import begin_run, link
from engine.storage.store import finish
from eval.retrieval.trec import read_run
from eval.step import evaluate_model
from tests.handover.test_step import of_documents, search_alone
from tests.support.small_run import (
    QUESTIONS,
    build_run,
    place_in,
    small_config,
    step_record,
    write_benchmark,
    write_tuned_model,
)


def set_prompts(model: Path, query: str, document: str) -> None:
    """Makes these the own prefixes of a model."""
    file = model / "config_sentence_transformers.json"
    values = json.loads(file.read_text()) if file.exists() else {}
    write_json(file, {**values, "prompts": {"query": query, "document": document}})


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report whose config names no prefixes."""
    root = tmp_path_factory.mktemp("run")
    folders, place = build_run(root / "store"), place_in(root)
    write_tuned_model(folders["model"])
    set_prompts(folders["model"], "", "")
    base = root / "base"
    shutil.copytree(resolve_model("bundled:all-minilm-l6-v2", key="test"), base)
    set_prompts(base, "query: ", "passage: ")
    config = small_config(str(write_benchmark(root / "tiny")))
    encoder = replace(config.encoder, model=str(base), query_prefix=None, passage_prefix=None)
    config = replace(config, encoder=encoder, latency_repetitions=0)
    report = root / "store" / "report" / "00000000000000ff"
    report.mkdir(parents=True)
    finish(report, step_record("report", report, evaluate_model(config, folders, report, place)))
    begin_run(place.run_dir, "")
    for noun, folder in {**folders, "report": report}.items():
        link(place.run_dir, noun, folder)
    return place.run_dir


def test_a_search_and_a_page_to_judge_use_the_vectors_of_the_report(run_dir: Path) -> None:
    cache = run_dir.parent / "store" / "embeddings"
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    search_run(SearchOptions(run_dir, "fruit"))
    assert main(["judge", str(run_dir)]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == written


def test_the_tuned_model_that_is_handed_over_scores_as_in_the_report(run_dir: Path, tmp_path: Path) -> None:
    inputs = {noun: (run_dir / noun).resolve() for noun in ("documents", "model", "report")}
    hand_over(SystemConfig(model="tuned", weight=0.0), inputs, tmp_path, place_in(run_dir.parent))
    measured = read_run(run_dir / "report" / "runs" / "tuned.trec")
    [found] = search_alone([tmp_path], [QUESTIONS[name][0] for name in measured]).values()
    for expected, hits in zip(measured.values(), found, strict=True):
        assert of_documents(hits) == pytest.approx(expected, abs=1e-6)
