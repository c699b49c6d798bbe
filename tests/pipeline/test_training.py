"""A step for each iteration, and development queries that are not those of the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.steps import steps
from engine.pipeline.training import check_development, model_steps
from engine.runtime.step import Step

MINING = "model.num_hard_negatives=1"


def composed(corpus: Path, *overrides: str) -> RunConfig:
    return load_config(["experiment=adapt", "samples=fake", f"collection={corpus}", *overrides])[0]


def models(config: RunConfig) -> list[Step]:
    return [step for step in steps(config) if step.noun == "model"]


def test_each_iteration_is_a_step_that_begins_with_the_one_before(corpus: Path) -> None:
    [alone] = models(composed(corpus, MINING))
    assert alone.resumable
    three = models(composed(corpus, MINING, "model.iterations=3"))
    assert [step.entry for step in three] == ["iterations/1/model", "iterations/2/model", "model"]
    assert [step.inputs[2:] for step in three] == [(), (three[0],), (three[1],)]
    assert three[0].fingerprint == alone.fingerprint, "what a run with fewer iterations made is found again"
    assert len({step.fingerprint for step in three}) == 3
    assert model_steps(composed(corpus, MINING).model, alone.inputs)[0].fingerprint == alone.fingerprint


def test_the_points_of_a_learning_curve_are_trained_in_as_many_iterations(corpus: Path) -> None:
    names = ("learning_curve.shares=[0.5]", "learning_curve.seeds=1", MINING, "model.iterations=2")
    config = load_config(["experiment=learning_curve", "samples=fake", f"collection={corpus}", *names])[0]
    assert [step.entry for step in models(config)] == ["iterations/0.5-seed-0.1/model", "points/0.5-seed-0/model"]


def test_iterations_without_negatives_to_mine_are_refused(corpus: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.iterations=2: .*num_hard_negatives"):
        composed(corpus, "model.iterations=2")


def test_queries_of_the_report_are_no_development_queries(corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    (copy / "qrels" / "test.tsv").rename(copy / "qrels" / "dev.tsv")
    for folder, split in ((corpus, "test"), (copy, "dev")):
        judged = (f"model.validation.judged={folder}", f"model.validation.split={split}")
        config = composed(corpus, *judged, "model.validation.queries=judged")
        with pytest.raises(UserError, match="holds queries that the report measures on") as caught:
            steps(config)
        assert caught.value.where == f"model.validation.judged={folder}"
        meant = composed(corpus, *judged, "model.validation.queries=both", "model.validation.also_reported=true")
        check_development(meant)
        [model] = models(meant)
        assert model.inputs[1].noun == "examples"


def test_other_queries_of_the_same_folder_are(corpus: Path) -> None:
    lines = (corpus / "qrels" / "test.tsv").read_text().splitlines()
    (corpus / "qrels" / "test.tsv").write_text("\n".join(lines[:6]))
    (corpus / "qrels" / "dev.tsv").write_text("\n".join([lines[0], *lines[6:]]))
    check_development(composed(corpus, f"model.validation.judged={corpus}", "model.validation.queries=judged"))
