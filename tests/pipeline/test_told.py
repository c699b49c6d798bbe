"""What a run says of its folder, and of what is replaced there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.pipeline.told import shown_folder, tell_of_folder, tell_of_kept, tell_of_models, tell_of_replaced
from engine.run import wanted_steps
from tests.support.places import printed, quiet_place


def test_a_folder_is_told_as_it_would_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, _ = load_config(["experiment=demo"])
    place = quiet_place(tmp_path)
    assert shown_folder(config, place) == str(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert shown_folder(config, place) == "run"
    tell_of_folder(config, replace(place, run_dir=tmp_path / "my run"))
    assert printed(place) == "run        my run; to look at it: synthmill status 'my run'\n"


def test_what_stays_and_what_was_replaced_is_told_where_there_is_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config, _ = load_config(["experiment=demo"])
    place = quiet_place(tmp_path)
    tell_of_kept([], config, place)
    tell_of_replaced([], config, place)
    assert printed(place) == ""
    tell_of_kept(["report"], config, place)
    tell_of_replaced(["model", "report", "system"], config, place)
    kept, replaced = printed(place).splitlines()
    assert kept == "run        run/report stays of the earlier config until it is made anew"
    assert replaced.startswith("replaced   run/model, run/report and run/system of an earlier config; with run_dir=")


def test_what_models_are_asked_is_told(corpus: Path, tmp_path: Path) -> None:
    given = ["experiment=adapt", f"collection={corpus}", "samples=fake"]
    for more, said in (
        ([], ""),
        (["report.expand=rewrites"], "report     rewrites: fake writes 3 texts"),
        (["examples.filters.judge=answerability"], "computes the judge's verdicts too"),
        (["model.loss=kl", "model.teacher.by=likelihood"], "teacher    likelihood:"),
    ):
        place = quiet_place(tmp_path)
        config, _ = load_config([*given, *more])
        tell_of_models(config, wanted_steps(config), place.console)
        assert said in printed(place)
        assert bool(printed(place)) == bool(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([], []),
        (["margin=0.5", "noise=0.6"], []),
        (["margin=0.3"], ["model.margin=0.3 is read by the loss triplet or contrastive only, and the loss is auto"]),
        (["margin=0.3", "loss=triplet", "num_hard_negatives=1"], []),
        (["noise=0.4"], []),
        (["noise=0.4", "loss=mnrl"], ["model.noise=0.4 is read by the loss denoising only, and the loss is mnrl"]),
        (
            ["ranking_share=0", "teacher_temperature=1", "loss=mnrl"],
            [
                "model.teacher_temperature=1 is read by the loss kl only, and the loss is mnrl",
                "model.ranking_share=0 is read by the loss kl only, and the loss is mnrl",
            ],
        ),
        (["ranking_share=0", "loss=kl", "teacher.by=fused"], []),
        (["ranking_share=0", "loss=kl", "teacher.by=cross_encoder"], []),
    ],
)
def test_settings_that_no_loss_of_the_run_reads_are_told(
    settings: list[str], said: list[str], corpus: Path, tmp_path: Path
) -> None:
    given = ["experiment=adapt", f"collection={corpus}", "samples=fake"]
    config, _ = load_config([*given, *(f"model.{setting}" for setting in settings)])
    place = quiet_place(tmp_path)
    tell_of_models(config, wanted_steps(config), place.console)
    assert printed(place).splitlines() == [f"model      {line}" for line in said]


def test_what_is_not_trained_is_not_told_of(corpus: Path, tmp_path: Path) -> None:
    given = ["experiment=adapt", f"collection={corpus}", "samples=fake", "until=examples", "model.margin=0.3"]
    place = quiet_place(tmp_path)
    config, _ = load_config(given)
    tell_of_models(config, wanted_steps(config), place.console)
    assert printed(place) == ""
