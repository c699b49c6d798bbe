"""A sweep is checked before anything runs: every key, both ends of every range, and what its points are judged by."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.runtime.console import Console
from engine.storage.files import locked
from engine.sweeps.config import read_sweep
from engine.sweeps.sweep import Checked, check, search

GIVEN = ("experiment=adapt", "samples=fake", "until=model", "model.validation.every=2", "tracking=off")


def compose(overrides: Sequence[str]) -> RunConfig:
    """The config of a run, as the command line composes it."""
    return load_config(overrides)[0]


def checked(corpus: Path, said: dict[str, Any], *more: str) -> Checked:
    """A sweep over a collection, checked."""
    return check(read_sweep(said, "f.yaml", "rates"), [*GIVEN, f"collection={corpus}", *more], compose)


def test_what_points_are_given(corpus: Path, tmp_path: Path) -> None:
    sweep = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}, "stop": "asha"}, f"runs_dir={tmp_path}")
    assert sweep.metric == "validation"
    assert sweep.folder == tmp_path / "sweeps" / "rates"
    assert "tracking.group=rates" in sweep.arguments
    assert any(text.startswith("cluster.num_cpus=") for text in sweep.arguments), "points share the cores"
    alone = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}, "concurrency": 1})
    assert not any(text.startswith("cluster.num_cpus=") for text in alone.arguments)


@pytest.mark.parametrize(
    ("space", "more", "said"),
    [
        (
            {"model.lerning_rate": {"uniform": [0, 1]}},
            {},
            r"'model\.lerning_rate'; did you mean 'model\.learning_rate'",
        ),
        ({"model.epochs": {"int": [0, 3]}}, {}, r"model\.epochs=0"),
        ({"samples": {"choice": ["fake", "fakke"]}}, {}, "no samples called 'fakke'; did you mean 'fake'"),
        ({"model.epochs": {"choice": ["many"]}}, {}, "'many' is not a whole number"),
        ({"until": {"choice": ["model", "prompts"]}}, {"metric": "validation"}, "no step reports 'validation'"),
        ({"model.epochs": {"int": [1, 3]}}, {"metric": "examples.keptt"}, "did you mean 'examples.kept'"),
        ({"model.epochs": {"int": [1, 3]}}, {"metric": "model.steps", "stop": "median"}, "median goes by validations"),
        (
            {"cluster.address": {"choice": ["ray://h:1"]}},
            {"metric": "model.steps"},
            "Ray Tune is not driven from outside",
        ),
        ({"run_dir": {"choice": ["a", "b"]}}, {}, "run_dir is set by the sweep itself"),
        ({"samples.engine_args.hf_token": {"choice": ["a"]}}, {}, "hf_token is a secret"),
    ],
)
def test_a_wrong_sweep_is_refused(corpus: Path, space: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        checked(corpus, {"space": space, **more})


def test_a_sweep_that_another_process_works_on_is_refused(corpus: Path, tmp_path: Path) -> None:
    sweep = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}}, f"runs_dir={tmp_path}")
    sweep.folder.mkdir(parents=True)
    with (
        locked(sweep.folder / ".lock", wait=False),
        pytest.raises(UserError, match="another synthmill is working on this sweep"),
    ):
        search(sweep, compose, Console(RichConsole(file=io.StringIO())))
