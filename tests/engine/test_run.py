"""Where a run lives and which steps it wants; the run itself is in test_pipeline and test_crash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.run import run_folder, wanted_steps


def test_a_run_is_named_after_experiment_and_collection(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus")
    config, _ = load_config(["experiment=adapt", f"documents.path={corpus}/corpus.jsonl", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus"), "a file gives its name without the ending"
    config, _ = load_config(["experiment=adapt", "documents.path=notes.v2/", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-notes.v2")
    config, _ = load_config(["experiment=demo"])
    assert run_folder(config) == Path("runs/demo").absolute()
    config, _ = load_config(["experiment=demo", "run_dir=/tmp/mine"])
    assert run_folder(config) == Path("/tmp/mine")


def test_until_names_the_last_step(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=samples"])
    assert [step.noun for step in wanted_steps(config)] == ["documents", "prompts", "samples"]
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=smaples"])
    with pytest.raises(UserError, match="no step is called 'smaples'") as caught:
        wanted_steps(config)
    assert "did you mean 'samples'" in caught.value.remedy


def test_a_model_that_does_not_exist_is_refused_by_a_preview_too(corpus: Path) -> None:
    turns = 'task.turns={a:{prompt:"{{passage.text}}",model:judge}}'
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", 'task.prompt=""', turns])
    for until in ("prompts", "report"):
        with pytest.raises(UserError, match="there is no model 'judge'") as caught:
            wanted_steps(replace(config, until=until))
        assert caught.value.where == "task.turns.a.model"
