"""Lengths, diversity and kept shares are plain counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.examples import read_examples
from eval.data_quality import compare_diversity, describe_queries, distinct_2, quality_figures, words
from tests.support.small_run import build_run, small_benchmark


def test_words_are_lower_case_runs_of_letters_in_any_script() -> None:
    assert words("How's São-Paulo? 한국어 x_1") == ["how", "s", "são", "paulo", "한국어", "x_1"]


def test_distinct_2_is_different_pairs_over_all_pairs() -> None:
    assert distinct_2(["a b c", "a b"]) == pytest.approx(2 / 3, abs=1e-4)
    assert distinct_2(["one", ""]) == 0


def test_a_description_counts_lengths() -> None:
    figures = describe_queries(["a b c", "a b", "c d", ""])
    assert figures["queries"] == 4
    assert figures["vocabulary"] == 4
    assert figures["words"] == {"p5": 0, "p50": 2, "p95": 2, "mean": 1.75, "histogram": {"0": 1, "2": 2, "3": 1}}
    assert describe_queries([])["words"] == {"histogram": {}}


def test_diversity_is_compared_at_the_same_number_of_queries() -> None:
    same = compare_diversity(["a b"] * 100, ["a b", "c d"], seed=0)
    assert same == {"queries": 2, "kept": 0.5, "real": 1.0}


def test_figures_of_a_run(tmp_path: Path) -> None:
    kept, rejected = read_examples(build_run(tmp_path)["examples"])
    figures = quality_figures((kept, rejected), small_benchmark().queries, 0, {})
    cells = figures["conditions"]["form"]  # type: ignore[index]
    assert set(cells) == {"question", "keywords"}
    assert sum(cell["generated"] for cell in cells.values()) == kept.num_rows + rejected.num_rows == 24
    assert sum(cell["kept"] for cell in cells.values()) == kept.num_rows
    assert figures["real"]["queries"] == 5  # type: ignore[index]
    asked_for = quality_figures((kept, rejected), {}, 0, {"form": {"question": 0.75}})["conditions"]["form"]  # type: ignore[index]
    assert asked_for["question"]["target"] == 0.75
    assert "target" not in asked_for["keywords"]
    assert asked_for["question"]["reached"] + asked_for["keywords"]["reached"] == 1
    assert "real" not in quality_figures((kept, rejected), {}, 0, {})
