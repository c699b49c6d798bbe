"""Lengths, diversity and kept shares are plain counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.task.config import AttributeConfig, TaskConfig
from eval.data_quality.queries import (
    DiversityFigures,
    WordLengths,
    compare_diversity,
    describe_queries,
    distinct_2,
    quality_figures,
    read_targets,
)
from tests.support.small_run import build_run, small_benchmark


def test_words_are_those_of_search_in_any_script() -> None:
    figures = describe_queries(["How's São-Paulo? x_1", "हिन्दी शब्द", "HOW"])
    assert figures.words.histogram == {1: 1, 2: 1, 5: 1}
    assert figures.vocabulary == 7


def test_distinct_2_is_different_pairs_over_all_pairs() -> None:
    assert distinct_2(["a b c", "a b"]) == pytest.approx(2 / 3, abs=1e-4)
    assert distinct_2(["one", ""]) == 0


def test_a_description_counts_lengths() -> None:
    figures = describe_queries(["a b c", "a b", "c d", ""])
    assert figures.queries == 4
    assert figures.vocabulary == 4
    assert figures.words == WordLengths(p5=0, p50=2, p95=2, mean=1.75, histogram={0: 1, 2: 2, 3: 1})
    assert describe_queries([]).words == WordLengths(histogram={})


def test_diversity_is_compared_at_the_same_number_of_queries() -> None:
    same = compare_diversity(["a b"] * 100, ["a b", "c d"], seed=0)
    assert same == DiversityFigures(queries=2, kept=0.5, real=1.0)


def test_figures_of_a_run(tmp_path: Path) -> None:
    folder = ExamplesFolder(build_run(tmp_path)["examples"])
    kept, rejected = folder.kept(), folder.rejected()
    figures = quality_figures(folder, small_benchmark().queries, 0, {"form": {"question": 0.75}})
    shares = figures.conditions["form"]
    assert set(shares) == {"question", "keywords"}
    assert sum(share.generated for share in shares.values()) == kept.num_rows + rejected.num_rows == 24
    assert sum(share.kept for share in shares.values()) == kept.num_rows
    assert shares["question"].reached + shares["keywords"].reached == 1
    assert (shares["question"].target, shares["keywords"].target) == (0.75, None)
    assert figures.real is not None
    assert figures.real.queries == 5


def test_of_very_many_queries_some_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ExamplesFolder(build_run(tmp_path)["examples"])
    monkeypatch.setattr("eval.data_quality.queries.MOST_DESCRIBED", 3)
    figures = quality_figures(folder, {}, 0, {})
    assert figures.kept.queries == 3
    assert sum(share.generated for share in figures.conditions["form"].values()) == 24, "conditions are counted in all"


def test_without_real_queries_nothing_is_compared(tmp_path: Path) -> None:
    folder = ExamplesFolder(build_run(tmp_path)["examples"])
    figures = quality_figures(folder, {}, 0, {})
    assert (figures.real, figures.distinct_2_at_equal_number) == (None, None)
    assert {share.target for share in figures.conditions["form"].values()} == {None}


def test_targets_are_the_shares_that_a_task_asks_for(tmp_path: Path) -> None:
    attributes = {"form": AttributeConfig(values={"question": 3, "keywords": 1})}
    PromptsFolder(tmp_path).write_basis(TaskConfig(attributes=attributes), [], [])
    assert read_targets(tmp_path) == {"form": {"question": 0.75, "keywords": 0.25}}
    assert read_targets(build_run(tmp_path / "run")["prompts"]) == {}


def test_samples_that_are_compared_have_one_size(tmp_path: Path) -> None:
    examples = ExamplesFolder(build_run(tmp_path)["examples"])
    real = small_benchmark().queries
    sizes = {name: sample.texts for name, sample in quality_figures(examples, real, 0, {}).diversity.items()}
    assert sizes == {"kept": len(real), "real": len(real)}
    alone = quality_figures(examples, {}, 0, {}).diversity
    assert list(alone) == ["kept"]
    assert alone["kept"].texts == alone["kept"].drawn_from
