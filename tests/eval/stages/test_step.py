"""Several models beside each other: figures, the page, the table on the terminal, and what is said of the best."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as RichConsole
from scipy.stats import pearsonr

from engine.artifacts.sweeps import StageScoresFolder, SweepFolder
from eval.stages.config import BASE, BM25
from eval.stages.figures import HELD_OUT, TRAIN, Stages, best_of, read_stages
from eval.stages.page import render_stages
from eval.stages.step import compare_stages
from eval.stages.table import stages_table
from eval.stages.words import (
    DASH,
    best_sentence,
    cell,
    counted,
    how_trained,
    time_of_questions,
    title,
    training_time,
    words_sentence,
)
from tests.support.places import quiet_place
from tests.support.stages import HITS, stages_plan, write_scores


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the step writes of made scores."""
    home = tmp_path_factory.mktemp("stages")
    (home / "out").mkdir()
    record = compare_stages(stages_plan(), write_scores(home), home / "out", quiet_place(home))
    assert record.models == 3
    assert record.held_out["ranking-30, questions, hit@1"] == 0.5
    return home / "out"


@pytest.fixture(scope="module")
def figures(output: Path) -> Stages:
    return read_stages(SweepFolder(output, "stages").figures_file)


def test_every_model_is_measured_on_both_sides_beside_what_it_goes_on_from(figures: Stages) -> None:
    part = figures.sets["questions"]
    assert counted(part) == "questions: 80 held out and 80 training, among 60 passages"
    assert figures.sets["sts"].passages == 0
    assert part.counts == {HELD_OUT: 80, TRAIN: 80}
    for name, shares in HITS.items():
        for side, share in zip((HELD_OUT, TRAIN), shares, strict=True):
            if share is None:
                assert name not in part.levels[side]
            else:
                assert part.levels[side][name]["hit@1"].mean == pytest.approx(share)
    assert part.levels[HELD_OUT][BM25]["hit@1"].difference is part.levels[HELD_OUT][BASE]["hit@1"].difference is None
    added = {name: part.levels[HELD_OUT][name]["hit@1"].difference for name in ("ranking-1", "ranking-30", "reranked")}
    assert [round(each.mean, 6) for each in added.values() if each] == [0.2, 0.1, 0.2]
    assert all(each and each.low < each.mean < each.high for each in added.values())


def test_correlations_are_those_of_scipy(figures: Stages, output: Path) -> None:
    import pyarrow.parquet as pq

    levels = figures.sets["sts"].levels
    table = pq.read_table(StageScoresFolder(output.parent / "ranking-1" / "0123456789abcdef").pairs_file)
    rows = table.slice(0, 40)
    assert levels[HELD_OUT]["ranking-1"]["pearson"].mean == pytest.approx(pearsonr(rows["grade"], rows["score"])[0])
    assert levels[HELD_OUT]["ranking-1"]["pearson"].difference is not None
    assert levels[HELD_OUT][BASE]["pearson"].difference is None
    assert "reranked" not in levels[HELD_OUT]


def test_times_of_a_chain_add_up(figures: Stages) -> None:
    stages = {stage.name: stage for stage in figures.stages}
    assert list(stages) == [BM25, BASE, "ranking-1", "ranking-30", "reranked"]
    assert [stages[name].training_seconds for name in stages] == [0, 0, 10, 20, 30]
    assert [time_of_questions(stages[name]) for name in ("reranked", "ranking-1")] == ["40.0 s", "2.0 s"]
    two = replace(stages["ranking-1"], seconds_per_1000={"questions": 2.0, "others": 3.0})
    assert time_of_questions(two) == "questions 2.0 s, others 3.0 s"
    assert how_trained(stages["ranking-30"]) == "mnrl on 100 of questions, batches of 8, 30 epochs"
    assert how_trained(stages[BASE]) == training_time(stages[BASE]) == DASH


def test_the_best_is_told_by_what_is_held_out(figures: Stages) -> None:
    assert best_of(figures) == ("reranked", "questions", "hit@1")
    assert title(figures) == "reranked: hit@1 0.700 on held-out questions"
    assert words_sentence(figures) == "BM25, which learns nothing, has 0.800, above the best model."
    without = replace(figures, stages=[stage for stage in figures.stages if stage.name != "reranked"])
    assert best_sentence(without) == (
        "hit@1 of ranking-30 on held-out questions is 0.500, base 0.200: +0.300, where on training questions it is "
        "+0.750, 40 % of it is left."
    )
    graded = replace(figures, sets={"sts": figures.sets["sts"]})
    assert best_of(graded)[1:] == ("sts", "spearman")
    assert words_sentence(graded) == ""


def test_the_page_has_the_curve_and_both_sides(output: Path, figures: Stages) -> None:
    page = SweepFolder(output, "stages").page_file.read_text()
    assert page == render_stages(figures)
    assert page.count('class="lines"') == 2, "the curve of one stage on each set"
    assert "None" not in page
    for words in (
        "30 epochs",
        "held out",
        "training",
        "base, untrained",
        "BM25, no model",
        "80 held out and 80 training",
    ):
        assert words in page, words


def test_the_table_fits_eighty_columns(figures: Stages) -> None:
    text = io.StringIO()
    RichConsole(file=text, width=80).print(stages_table(figures))
    lines = text.getvalue().splitlines()
    row = next(line.split() for line in lines if line.strip().startswith("ranking-30"))
    held, trained = figures.sets["questions"].levels[HELD_OUT], figures.sets["questions"].levels[TRAIN]
    shown = [f"{side['ranking-30'][metric].mean:.3f}" for metric in ("hit@1", "hit@10") for side in (held, trained)]
    assert row[3:] == [*shown, "2.0", "s"]
    assert cell(figures.sets["questions"], TRAIN, "reranked", "hit@1") == DASH
    assert all(len(line) <= 80 for line in lines)
