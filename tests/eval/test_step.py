"""The report step end to end on a hand-made run with the bundled encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.artifacts.report import ReportFolder
from engine.storage.store import Store, finish, read_record
from engine.storage.typed import to_json_values
from eval.advice import advice
from eval.report import read_report
from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.metrics import METRICS, evaluate
from eval.retrieval.trec import read_qrels, read_run
from eval.step import evaluate_model
from tests.support.small_run import (
    NOUNS,
    SAMPLES_RECORD,
    build_run,
    finished_run,
    place_in,
    small_config,
    write_tuned_model,
)


@pytest.fixture(scope="module")
def report_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a finished run."""
    return finished_run(tmp_path_factory.mktemp("run")) / "report"


def test_all_files_are_there(report_dir: Path) -> None:
    expected = {"report.json", "report.html", "per_query.parquet", "per_query.tsv"}
    assert expected <= {entry.name for entry in report_dir.iterdir()}
    runs = {entry.name for entry in (report_dir / "runs").iterdir()}
    recommendation = read_report(report_dir).recommendation
    assert recommendation
    assert runs == {f"{name}.trec" for name in recommendation.systems} | {"judgements.qrels"}


def test_figures_follow_from_the_run_files(report_dir: Path) -> None:
    figures = read_report(report_dir).retrieval["tiny"]
    qrels = read_qrels(report_dir / "runs" / "judgements.qrels")
    assert sorted(qrels) == ["q1", "q2", "q3", "q4", "q5"]
    for name in SYSTEMS:
        means = evaluate(read_run(report_dir / "runs" / f"{name}.trec"), qrels).means()
        assert means == pytest.approx({metric: figures.means(name)[metric] for metric in METRICS}, abs=1e-9)
    assert figures.base["ndcg@10"] > 0.8, "MiniLM answers easy questions"


def test_the_choice_saw_every_query_and_every_judgement(report_dir: Path) -> None:
    report = read_report(report_dir)
    assert report.choice
    assert (report.choice.synthetic, report.choice.documents, report.choice.judged) == (18, 12, 5)
    assert report.choice.real == 6, "of seven questions one was a demonstration; one of the others is not judged"
    assert report.choice.tuning
    assert report.recommendation
    tuned, figures = report.recommendation.systems["tuned"], report.retrieval["tiny"]
    assert tuned.mean == pytest.approx(figures.tuned["ndcg@10"])
    assert tuned.ci95 == pytest.approx(figures.ci95["tuned"]["ndcg@10"]), "both come from the same resamples"
    assert advice(report) in (report_dir / "report.html").read_text()


def test_per_query_scores_average_to_the_figures(report_dir: Path) -> None:
    rows = pq.read_table(report_dir / "per_query.parquet").to_pylist()
    report = read_report(report_dir)
    for collection, figures in (("tiny", report.retrieval["tiny"]), ("held_out", report.held_out)):
        values = [row["mrr@10"] for row in rows if row["collection"] == collection and row["system"] == "tuned"]
        assert np.mean(values) == pytest.approx(figures.tuned["mrr@10"])


def test_the_report_has_what_the_run_was_told_and_what_it_took(report_dir: Path) -> None:
    report = read_report(report_dir)
    assert list(report.seconds) == list(report.fingerprints) == [*NOUNS, "report"]
    assert report.seconds["report"] > 0
    assert report.decision.model in {"base", "tuned"}
    assert report.settings.encoder.model == "bundled:all-minilm-l6-v2"
    assert report.latency["bm25"].encode is None
    assert report.latency["tuned"].encode is not None


def test_the_record_repeats_the_parts_of_the_file(report_dir: Path) -> None:
    record, values = ReportFolder(report_dir).record(), read_report(report_dir).as_json()
    parts = {name: values[name] for name in ("decision", "retrieval", "held_out")}
    assert to_json_values(record) == {"queries": 5, **parts}


def test_without_a_benchmark_the_held_out_queries_are_the_report(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    output = tmp_path / "report"
    output.mkdir()
    record = evaluate_model(replace(small_config(), choice_queries=0), folders, output, place_in(tmp_path))
    assert record.retrieval == {}
    assert read_report(output).recommendation is None, "the config asks for no choice"
    assert record.queries == 8
    assert (output / "runs" / "tuned.trec").read_text().startswith("sample-14 Q0")
    assert "There were no judged questions" in (output / "report.html").read_text()


def test_the_time_of_earlier_rounds_is_found_in_the_store(tmp_path: Path) -> None:
    store, folders = Store(tmp_path / "store"), build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    alone = {noun: read_record(folders[noun]) for noun in ("prompts", "samples", "examples")}
    first = {noun: folders[noun].with_name(f"{number:016x}") for number, noun in enumerate(alone, 100)}
    lineage = {
        first["prompts"]: {},
        first["samples"]: {"prompts": first["prompts"].name},
        first["examples"]: {"samples": first["samples"].name},
        folders["prompts"]: {"examples": first["examples"].name},
        folders["samples"]: {"prompts": folders["prompts"].name},
    }
    for folder, inputs in lineage.items():
        record = replace(alone[folder.parent.name], fingerprint=folder.name, inputs=inputs)
        finish(store.reserve(folder.parent.name, folder.name), record)
    output = tmp_path / "store" / "report" / "00000000000000ff"
    output.mkdir(parents=True)
    evaluate_model(replace(small_config(), choice_queries=0), folders, output, place_in(tmp_path))
    assert read_report(output).cost.cpu_seconds == 2 * SAMPLES_RECORD.cost.cpu_seconds
