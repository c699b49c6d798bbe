"""Where a run lives and which steps it wants; the run itself is in test_pipeline and test_crash."""

from __future__ import annotations

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
