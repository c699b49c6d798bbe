"""The schema of a run: what is merged into it, its keys, and the types of keys at any depth."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engine.command_line.schema import annotated_type, is_inside_mapping, keys_of, run_schema, settings_of
from engine.pipeline.config import RunConfig
from engine.task.config import AttributeConfig, PromptKind, QuotaConfig, RangeConfig, TaskConfig, TurnConfig


def test_values_are_merged_and_the_schema_stays_as_it_is() -> None:
    before = OmegaConf.to_yaml(run_schema())
    merged = OmegaConf.merge(run_schema(), {"seed": 3, "task": {"turns": {"a": {"prompt": "b"}}}})
    assert (merged.seed, merged.task.turns.a.prompt) == (3, "b")
    assert OmegaConf.merge(run_schema(), {"samples": {"engine_args": {"new": 1}}}).samples.engine_args == {"new": 1}
    assert OmegaConf.to_yaml(run_schema()) == before


@pytest.mark.parametrize("values", [{"sed": 3}, {"seed": "three"}, {"task": {"turns": {"a": {"promt": "b"}}}}])
def test_what_does_not_fit_is_not_merged(values: dict[str, Any]) -> None:
    with pytest.raises(OmegaConfBaseException):
        OmegaConf.merge(run_schema(), values)


def test_every_setting_of_every_group_is_a_key() -> None:
    keys = set(keys_of(run_schema()))
    for field in dataclasses.fields(RunConfig):
        assert field.name in keys
        kind = typing.get_type_hints(RunConfig)[field.name]
        if dataclasses.is_dataclass(kind):
            assert {f"{field.name}.{name}" for name in settings_of(kind)} <= keys
    assert not any("origins" in key for key in keys), "it is no setting"


@pytest.mark.parametrize(
    ("key", "inside"),
    [
        ("samples.engine_args.dtype", True),
        ("task.attributes.mood.values", True),
        ("samples.engine_args", False),
        ("model.base", False),
        ("model.bass.more", False),
        ("seed", False),
    ],
)
def test_a_key_inside_a_mapping_is_the_users_own(key: str, inside: bool) -> None:
    assert is_inside_mapping(key) is inside


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ((), RunConfig),
        (("seed",), int),
        (("task",), TaskConfig),
        (("task", "kind"), PromptKind),
        (("task", "stop"), list[str]),
        (("task", "stop", 4), str),
        (("task", "turns"), dict[str, TurnConfig]),
        (("task", "turns", "any"), TurnConfig),
        (("task", "turns", "any", "kind"), PromptKind),
        (("task", "turns", "any", "max_tokens"), int),
        (("task", "turns", "any", "messages", 0, "role"), str),
        (("task", "attributes", "any"), AttributeConfig),
        (("task", "attributes", "any", "range"), RangeConfig),
        (("task", "quotas", 2), QuotaConfig),
        (("task", "attributes", "any", "by"), Any),
        (("samples", "engine_args", "any"), Any),
    ],
)
def test_the_type_of_a_key_is_found_at_any_depth(path: tuple[str | int, ...], kind: Any) -> None:
    assert annotated_type(path) == kind


@pytest.mark.parametrize("path", [("sed",), ("task", "name", "more"), ("task", "turns", "a", "promt"), ("sed", "more")])
def test_a_key_that_does_not_exist_has_no_type(path: tuple[str | int, ...]) -> None:
    assert annotated_type(path) is None
