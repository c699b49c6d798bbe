"""Every file in conf/ composes into a valid RunConfig."""

from __future__ import annotations

import importlib
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from engine.command_line.compose import load_config
from engine.command_line.groups import CONF, choices, groups
from engine.command_line.schema import keys_of, keys_of_elements, run_schema
from engine.errors import UserError
from engine.runtime.secrets import MASK, is_secret, is_secret_key, redacted
from tests.support.paths import ROOT


@pytest.mark.parametrize(("group", "choice"), [(group, choice) for group in groups() for choice in choices(group)])
def test_every_choice_of_every_group_composes(group: str, choice: str) -> None:
    overrides = [f"{group}={choice}"] if group == "experiment" else ["experiment=demo", f"{group}={choice}"]
    config, text = load_config(overrides)
    assert config.name == (choice if group == "experiment" else "demo")
    assert config.seed == 0
    assert "samples:" in text
    assert MASK not in text
    assert redacted(text) == text, "no setting that ships is a secret, whatever is called token in it"


def test_an_experiment_starts_with_the_command_that_runs_it() -> None:
    assert choices("experiment")
    for name in choices("experiment"):
        lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
        assert lines[0] == "# @package _global_"
        assert lines[1].startswith(f"# synthmill experiment={name}")


def test_one_key_sets_the_language_of_all_that_ranks_by_words() -> None:
    config, _ = load_config(["experiment=adapt", "language=german"])
    assert config.examples.round_trip.language == config.report.language == "german"
    assert load_config(["experiment=adapt"])[0].report.language == "auto"
    with pytest.raises(UserError, match=r"^language=germa: BM25 knows no such language as 'germa'; did you"):
        load_config(["experiment=adapt", "language=germa"])


CONTEXT = {
    "qwen3_600m": 40_960,
    "qwen3_1700m": 40_960,
    "gemma3_1b": 32_768,
    "qwen3_8b": 40_960,
    "llama31_8b": 131_072,
    "qwen3_30b_moe": 262_144,
}
"""What the models of the hub were trained to read."""


@pytest.mark.parametrize("choice", CONTEXT)
def test_a_hub_model_says_what_to_set_on_each_gpu_and_stays_within_its_context(choice: str) -> None:
    config, _ = load_config(["experiment=demo", f"samples={choice}"])
    assert config.samples.model.count("/") == 1
    assert config.samples.context_tokens <= CONTEXT[choice]
    assert config.prompts.model == config.samples.model
    assert 0.7 <= config.samples.temperature <= 1.0
    comment = (CONF / "samples" / f"{choice}.yaml").read_text()
    assert all(f"#   {size} GB" in comment for size in (24, 80, 141))
    assert "computed, not run" in comment
    assert f"context {CONTEXT[choice]:,}" in comment


@pytest.mark.parametrize("choice", CONTEXT)
def test_overrides_that_a_comment_names_are_accepted(choice: str) -> None:
    lines = (CONF / "samples" / f"{choice}.yaml").read_text().splitlines()
    named = [line.partition(": ")[2].split(" (")[0] for line in lines if line.startswith("#   ") and "samples." in line]
    assert named
    for text in named:
        overrides = re.findall(r"samples\.\w+=(?:\{[^}]*\}|\S+)", text.split(";")[0])
        assert overrides
        load_config(["experiment=demo", f"samples={choice}", *overrides])


def test_every_key_is_documented() -> None:
    """Entries of mappings, which have names of one's own, are documented by their form."""
    named = set(re.findall(r"`([\w.]+)`", (ROOT / "docs" / "configuration.md").read_text()))
    keys = set(keys_of(run_schema()))
    groups = {key.rpartition(".")[0] for key in keys}
    single = {key for key in keys - groups if not key.startswith(("judge.rubrics.", "report.expansions."))}
    assert single - named == set(), "say what it does in docs/configuration.md, section Every key"
    described = {key for key in named if key.startswith(("model.", "examples."))}
    assert described - keys - groups == set(), "there is no such key"


NAMES_OF_OTHERS = {
    "cascade": "settings of samples",
    "engine_args": "arguments of a library, which may be secrets",
    "generator": "settings of samples",
    "messages": "role and content",
    "model": "settings of model",
    "origins": "settings of the same group",
    "settings": "settings of samples",
    "training": "settings of model",
}
"""Settings that are mappings with free keys, and what their keys are where users do not make them up."""


def config_classes() -> Iterator[type]:
    """Gives the dataclasses of every `config.py`: those that a run is told, and those that steps are made with."""
    for package in ("engine", "training", "eval"):
        for file in sorted((ROOT / package).rglob("config.py")):
            module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
            kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and is_dataclass(kind)]
            yield from (kind for kind in kinds if kind.__module__ == module.__name__)


def has_free_keys(kind: Any) -> bool:
    """Tells whether a type is that of a mapping, or of a list or a choice of some."""
    return typing.get_origin(kind) in (dict, Mapping) or any(map(has_free_keys, typing.get_args(kind)))


def test_names_that_a_user_makes_up_are_never_taken_for_those_of_secrets() -> None:
    free = set[str]()
    for kind in config_classes():
        hints = typing.get_type_hints(kind)
        free |= {field.name for field in fields(kind) if has_free_keys(hints[field.name])}
    assert {"attributes", "exclude", "where", "written"} <= free
    assert set(NAMES_OF_OTHERS) <= free, "there is no such setting any longer"
    masked_below = {name for name in free - set(NAMES_OF_OTHERS) if is_secret_key(f"{name}.password")}
    assert masked_below == set(), "add it to _USERS_NAMES, or above with what its keys are"
    assert [name for name in NAMES_OF_OTHERS if not is_secret_key(f"{name}.password")] == []


def test_no_setting_has_the_name_of_a_secret() -> None:
    assert [key for key in (*keys_of(run_schema()), *keys_of_elements()) if is_secret(key.rpartition(".")[2])] == []
