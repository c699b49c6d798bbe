"""The page and the tables of a comparison: everything is there, escaped, and within a terminal of 80 columns."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from eval.compare.figures import Comparison, compare_runs, shared_queries
from eval.compare.page import headlines, render_comparison
from eval.compare.runs import JUDGED, read_run
from eval.compare.table import comparison_tables
from eval.compare.wins import find_wins
from eval.significance import Bootstrap
from eval.wording import MADE_UP
from tests.support.compared import without_words, write_finished_run


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


def test_runs_with_made_up_samples_are_named(compared: tuple[Comparison, str]) -> None:
    comparison, page = compared
    assert "made up" not in page
    assert f"b: {MADE_UP}" in render_comparison(replace(comparison, made_up=["b"]), [])
