"""The report step end to end on a hand-made run with the bundled encoder, and its config."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from eval.config import ReportConfig
from eval.page.table import read_report
from eval.retrieval.benchmark import load_benchmark
from eval.retrieval.metrics import METRICS, evaluate
from eval.retrieval.trec import read_qrels, read_run
from eval.step import evaluate_model
from tests.support.small_run import build_run, finished_run, place_in, small_config, write_benchmark, write_tuned_model


@pytest.fixture(scope="module")
def report_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a finished run."""
    return finished_run(tmp_path_factory.mktemp("run")) / "report"


def test_all_files_are_there(report_dir: Path) -> None:
    wanted = {"report.json", "report.html", "per_query.parquet", "per_query.tsv"}
    assert wanted <= {entry.name for entry in report_dir.iterdir()}
    runs = {entry.name for entry in (report_dir / "runs").iterdir()}
    assert runs == {"bm25.trec", "base.trec", "tuned.trec", "judgements.qrels"}


def test_figures_follow_from_the_run_files(report_dir: Path) -> None:
    figures = read_report(report_dir)["retrieval"]["tiny"]
    qrels = read_qrels(report_dir / "runs" / "judgements.qrels")
    assert sorted(qrels) == ["q1", "q2", "q3", "q4", "q5"]
    for name in ("bm25", "base", "tuned"):
        means = evaluate(read_run(report_dir / "runs" / f"{name}.trec"), qrels).means()
        assert means == pytest.approx({metric: figures[name][metric] for metric in METRICS}, abs=1e-9)
    assert figures["base"]["ndcg@10"] > 0.8, "MiniLM answers easy questions"


def test_per_query_scores_average_to_the_figures(report_dir: Path) -> None:
    rows = pq.read_table(report_dir / "per_query.parquet").to_pylist()
    for collection, figures in (("tiny", "retrieval"), ("held_out", "held_out")):
        report = read_report(report_dir)[figures]
        expected = report["tiny"] if collection == "tiny" else report
        values = [row["mrr@10"] for row in rows if row["collection"] == collection and row["system"] == "tuned"]
        assert np.mean(values) == pytest.approx(expected["tuned"]["mrr@10"])


def test_report_json_has_everything_the_page_needs(report_dir: Path) -> None:
    report = read_report(report_dir)
    names = {"samples", "examples", "generation", "training", "retrieval", "decision", "fingerprints", "seconds"}
    assert names | {"peak_memory_bytes", "data_quality", "latency", "settings", "held_out"} <= report.keys()
    assert report["seconds"]["report"] > 0
    assert report["decision"]["model"] in {"base", "tuned"}
    assert report["settings"]["encoder"]["model"] == "bundled:all-minilm-l6-v2"


def test_without_a_benchmark_the_held_out_queries_are_the_report(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "store")
    write_tuned_model(folders["model"])
    output = tmp_path / "report"
    output.mkdir()
    record = evaluate_model(small_config(), folders, output, place_in(tmp_path))
    assert record["retrieval"] == {}
    assert record["queries"] == 8
    assert (output / "runs" / "tuned.trec").read_text().startswith("sample-14 Q0")
    assert "There were no judged questions" in (output / "report.html").read_text()


@pytest.mark.parametrize(
    ("setting", "value"), [("k", 50), ("decision_level", 1.0), ("decision_level", 0.2), ("resamples", 0)]
)
def test_a_setting_that_could_only_fail_later_is_refused(setting: str, value: float) -> None:
    with pytest.raises(UserError) as error:
        ReportConfig(benchmark="", **{setting: value})  # type: ignore[arg-type]
    assert error.value.where == f"report.{setting}={value}"


def test_identity_holds_the_benchmarks_content_and_no_place(tmp_path: Path) -> None:
    first, second = write_benchmark(tmp_path / "a" / "tiny"), write_benchmark(tmp_path / "b" / "tiny")
    assert identity_of(small_config(str(first))) == identity_of(small_config(str(second)))
    assert identity_of(small_config(str(first))) != identity_of(small_config())
    text = str(identity_of(small_config(str(first))))
    assert str(tmp_path) not in text
    assert "latency" not in text


def test_a_benchmark_that_cannot_be_read_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "tiny")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tapples\n")
    with pytest.raises(UserError, match=r"test\.tsv:2"):
        identity_of(small_config(str(folder)))
    with pytest.raises(UserError, match="nowhere"):
        identity_of(small_config(str(tmp_path / "nowhere")))
    assert load_benchmark("", "test") is None
