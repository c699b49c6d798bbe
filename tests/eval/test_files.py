"""The files of a report agree with each other: figures computed from the TREC runs are the report's."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from eval import files
from eval.crossfit import COLUMN
from eval.files import write_evaluation, write_report
from eval.report import read_report
from eval.retrieval.metrics import METRICS, evaluate
from eval.retrieval.trec import read_qrels, read_run
from tests.support.compared import choosing_by_folds
from tests.support.small_run import build_run, small_evaluation, small_report


def test_pytrec_eval_on_the_files_gives_the_reports_figures(tmp_path: Path) -> None:
    report, _ = small_report(tmp_path / "run")
    write_evaluation(tmp_path, small_evaluation(build_run(tmp_path / "again")))
    with (tmp_path / "runs" / "judgements.qrels").open() as stream:
        evaluator = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(stream), {"ndcg_cut.10", "recall.100"})
    for name in ("bm25", "base", "tuned"):
        with (tmp_path / "runs" / f"{name}.trec").open() as stream:
            theirs = evaluator.evaluate(pytrec_eval.parse_run(stream)).values()
        for ours, trec_name in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100")):
            mean = np.mean([values[trec_name] for values in theirs])
            assert report.retrieval["tiny"].means(name)[ours] == pytest.approx(mean, abs=1e-6)


def test_held_out_runs_lie_apart_where_there_is_a_benchmark(tmp_path: Path) -> None:
    folders = build_run(tmp_path / "run")
    for judged, names in ((True, {"runs", "held_out"}), (False, {"runs"})):
        output = tmp_path / str(judged)
        output.mkdir()
        write_evaluation(output, small_evaluation(folders, judged=judged))
        assert {entry.name for entry in output.iterdir() if entry.is_dir()} == names
    assert (tmp_path / "True" / "held_out" / "tuned.trec").read_text().startswith("sample-14 Q0")
    assert (tmp_path / "False" / "runs" / "tuned.trec").read_text().startswith("sample-14 Q0")


def test_per_query_scores_are_one_row_per_query_and_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = small_evaluation(build_run(tmp_path / "run"))
    write_evaluation(tmp_path, evaluation)
    table = pq.read_table(tmp_path / "per_query.parquet")
    assert table.num_rows == 5 * 5 + 3 * 8, "with words only on what the report is about"
    assert set(METRICS) < set(table.column_names)
    rows = [row for row in table.to_pylist() if row["collection"] == "tiny" and row["system"] == "tuned"]
    assert np.mean([row["ndcg@10"] for row in rows]) == pytest.approx(
        evaluation.shown.scores["tuned"].means()["ndcg@10"]
    )
    lines = (tmp_path / "per_query.tsv").read_text().splitlines()
    assert len(lines) == table.num_rows + 1
    assert {line.count("\t") for line in lines} == {len(table.column_names) - 1}
    monkeypatch.setattr(files, "_ROWS_AT_A_TIME", 7)
    files.write_evaluation(tmp_path, evaluation)
    assert pq.read_table(tmp_path / "per_query.parquet") == table, "however many rows are held at a time"
    assert (tmp_path / "per_query.tsv").read_text().splitlines() == lines


def test_every_figure_of_a_system_is_the_mean_of_a_column(tmp_path: Path) -> None:
    evaluation = choosing_by_folds(small_evaluation(build_run(tmp_path / "run")))
    write_evaluation(tmp_path, evaluation)
    assert evaluation.recommendation
    rows = pq.read_table(tmp_path / "per_query.parquet").to_pylist()
    with (tmp_path / "per_query.tsv").open(newline="") as stream:
        cells = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    qrels = read_qrels(tmp_path / "runs" / "judgements.qrels")
    for name, figures in evaluation.recommendation.systems.items():
        mine = [number for number, row in enumerate(rows) if (row["collection"], row["system"]) == ("tiny", name)]
        handed_over = np.mean([rows[number]["ndcg@10"] for number in mine])
        trec_run = read_run(tmp_path / "runs" / f"{name}.trec")
        assert handed_over == pytest.approx(evaluate(trec_run, qrels).means()["ndcg@10"])
        if figures.seen is None:
            assert {rows[number][COLUMN] for number in mine} == {None}
            assert {cells[number][COLUMN] for number in mine} == {""}
            assert figures.mean == pytest.approx(handed_over)
            continue
        assert figures.mean == pytest.approx(np.mean([rows[number][COLUMN] for number in mine]))
        assert figures.mean == pytest.approx(np.mean([float(cells[number][COLUMN]) for number in mine]), abs=1e-5)
        assert figures.seen == pytest.approx(handed_over)
    chosen = evaluation.recommendation.systems["base_words"]
    assert chosen.mean != pytest.approx(chosen.seen), "or the test says nothing"
    assert {row[COLUMN] for row in rows if row["collection"] == "held_out"} == {None}


def test_without_judged_questions_held_out_ones_have_the_column(tmp_path: Path) -> None:
    evaluation = choosing_by_folds(small_evaluation(build_run(tmp_path / "run"), judged=False))
    write_evaluation(tmp_path, evaluation)
    assert evaluation.recommendation
    rows = pq.read_table(tmp_path / "per_query.parquet").to_pylist()
    values = [row[COLUMN] for row in rows if row["system"] == "tuned_words"]
    assert np.mean(values) == pytest.approx(evaluation.recommendation.systems["tuned_words"].mean)


def test_the_report_reads_back(tmp_path: Path) -> None:
    report, evidence = small_report(tmp_path / "run")
    write_report(tmp_path, report, evidence)
    assert read_report(tmp_path) == report
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
