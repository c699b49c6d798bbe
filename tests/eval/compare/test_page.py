"""The page and the tables of a comparison: everything is there, escaped, and within a terminal of 80 columns."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from eval.compare.figures import ADVISED, Comparison, compare_runs, shared_queries
from eval.compare.page import flattered, headlines, notes, render_comparison, shown_run
from eval.compare.runs import read_run
from eval.compare.table import comparison_tables
from eval.compare.wins import find_wins
from eval.report import JUDGED
from eval.significance import Bootstrap
from eval.wording import MADE_UP
from tests.support.compared import choosing, choosing_by_folds, without_words, write_finished_run


@pytest.fixture
def compared(tmp_path: Path) -> tuple[Comparison, str]:
    """A comparison of three runs, and its page."""
    runs = [
        read_run(str(write_finished_run(tmp_path / "a", "seed: 0\ntask: {prompt: <b>bold</b>}\n")), "a"),
        read_run(str(write_finished_run(tmp_path / "b", "seed: 1\ntask: {prompt: other}\n", without_words)), "b"),
        read_run(str(write_finished_run(tmp_path / "c", "seed: 2\n")), "a run with a longer name, c"),
    ]
    comparison = compare_runs(runs, Bootstrap(500))
    queries = shared_queries(runs, JUDGED)
    wins = [pair for run in runs[1:] if (pair := find_wins(runs[0], run, JUDGED, queries))]
    return comparison, render_comparison(comparison, wins)


def test_the_page_is_whole_and_safe(compared: tuple[Comparison, str]) -> None:
    comparison, page = compared
    assert page.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold</b>" not in page
    assert "<script>alert" not in page
    for words in (
        "Quality",
        "Queries: b beside a",
        "Settings that differ",
        "5 questions of tiny",
        "b with base + words",
    ):
        assert words in page, words
    assert "b shares with a the results of these steps: documents, prompts" in " ".join(page.split())
    assert len(headlines(comparison)) == 2
    assert re.search(r"over \d+ questions and over \d+ documents \([^)]+\); they", " ".join(page.split()))


def test_figures_that_no_run_has_are_left_out(compared: tuple[Comparison, str]) -> None:
    comparison, page = compared
    empty = [name for name, values in comparison.data.items() if not any(values.values())]
    assert empty, "of some there is nothing"
    rows = re.findall(r'<th scope="row">([^<]+)</th>', page)
    assert not set(empty) & set(rows)
    assert set(comparison.data) - set(empty) <= set(rows)


def test_tables_fit_eighty_columns(compared: tuple[Comparison, str]) -> None:
    text = io.StringIO()
    console = RichConsole(file=text, width=80)
    for table in comparison_tables(compared[0]):
        console.print(table)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    said = text.getvalue()
    for words in ("base + words", "p, Holm", "Settings that differ", "seed", "examples kept", "\u2013"):
        assert words in said, words


def test_cross_fitted_figures_are_marked_with_the_weight_that_is_handed_over(tmp_path: Path) -> None:
    runs = [
        read_run(str(write_finished_run(tmp_path / "a")), "a"),
        read_run(str(write_finished_run(tmp_path / "b", change=choosing_by_folds)), "b"),
    ]
    comparison = compare_runs(runs, Bootstrap(500))
    judged, held_out = comparison.shared
    rows = {row.system: row for row in judged.rows}
    assert [shown_run(rows["base_words"], run) for run in ("a", "b")] == ["a (0.30) \u2020", "b (0.30) \u2020"]
    assert shown_run(rows["base"], "a") == "a"
    brackets, mark = notes(judged, comparison.advised)
    assert brackets.startswith("In brackets: the weight of words")
    seen = rows["base_words"].seen
    assert f"Chosen by all of them, base + words has {seen['a']:.3f} (a), {seen['b']:.3f} (b)" in mark
    assert notes(held_out, comparison.advised) == []
    lower = {run: {**means, "ndcg@10": means["ndcg@10"] - 0.1} for run, means in rows["base_words"].means.items()}
    flattered_row = replace(rows["base_words"], means=lower)
    assert notes(replace(judged, rows=[flattered_row]), comparison.advised)[1].endswith(", which flatters it.")
    page = " ".join(render_comparison(comparison, []).split())
    for words in (
        "b (0.30) \u2020",
        mark,
        "a with base + words, weight of words 0.30",
        "Other metrics are of the weight",
    ):
        assert words in page, words
    assert "b (base + words, weight of words 0.30)" in headlines(comparison)[0]
    text = io.StringIO()
    console = RichConsole(file=text, width=80)
    for table in comparison_tables(comparison):
        console.print(table)
    said = " ".join(text.getvalue().split())
    assert mark in said
    assert "b (0.30) \u2020" in said


def test_what_is_told_of_the_choice_is_about_what_the_reports_advise(tmp_path: Path) -> None:
    first = read_run(str(write_finished_run(tmp_path / "a")), "a")
    other = read_run(str(write_finished_run(tmp_path / "b", change=choosing_by_folds)), "b")
    differing = compare_runs([first, choosing(other, weight=0.0)], Bootstrap(500))
    row = differing.shared[0].rows[0]
    assert row.system == ADVISED
    assert [shown_run(row, run) for run in ("a", "b")] == ["a (base + words, 0.30) \u2020", "b (base)"]
    assert "Chosen by all of them, what the reports advise has" in notes(differing.shared[0], differing.advised)[1]
    alike = compare_runs([choosing(run, model="tuned") for run in (first, other)], Bootstrap(500))
    assert alike.advised == {"a": "tuned_words", "b": "tuned_words"}
    assert "Chosen by all of them, tuned + words has" in notes(alike.shared[0], alike.advised)[1]


def test_reports_without_cross_fitted_queries_are_named(compared: tuple[Comparison, str]) -> None:
    comparison, page = compared
    assert flattered(comparison) == ""
    old = replace(comparison, flattered=["b"])
    assert flattered(old).startswith("b: the report is from before it had cross-fitted values")
    assert flattered(old) in " ".join(render_comparison(old, []).split())
    assert "which flatters it; run it again" not in page


def test_runs_with_made_up_samples_are_named(compared: tuple[Comparison, str]) -> None:
    comparison, page = compared
    assert "made up" not in page
    assert f"b: {MADE_UP}" in render_comparison(replace(comparison, made_up=["b"]), [])
