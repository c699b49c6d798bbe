"""Every file in conf/ composes into a valid RunConfig."""

from __future__ import annotations

import pytest

from engine.config import CONF, choices, groups, load_config


@pytest.mark.parametrize(("group", "choice"), [(group, choice) for group in groups() for choice in choices(group)])
def test_every_choice_of_every_group_composes(group: str, choice: str) -> None:
    overrides = [f"{group}={choice}"] if group == "experiment" else ["experiment=demo", f"{group}={choice}"]
    config, text = load_config(overrides)
    assert config.seed == 0
    assert "samples:" in text


def test_an_experiment_starts_with_the_command_that_runs_it() -> None:
    for file in (CONF / "experiment").glob("*.yaml"):
        lines = file.read_text().splitlines()
        assert lines[0] == "# @package _global_"
        assert lines[1].startswith(f"# synthmill experiment={file.stem}")
