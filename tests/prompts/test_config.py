"""What planning can be told: mistakes are refused when a run is configured, and mere names are in no identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.prompts.config import PromptsConfig, RoundConfig, SelfInstructConfig, ValuesConfig
from engine.runtime.identity import identity_of
from engine.task.config import PromptKind, WrittenConfig
from tests.support.planning import MODEL, SIZES, prompts_config


@pytest.mark.parametrize(
    ("name", "value", "least"), [("per_passage", 0, 1), ("max_samples", -1, 0), ("extra_per_passage", -1, 0)]
)
def test_wrong_numbers_are_refused(name: str, value: int, least: int) -> None:
    ready = prompts_config()
    with pytest.raises(UserError, match=f"{value} is too small") as caught:
        replace(ready, **{name: value})  # type: ignore[arg-type]
    assert (caught.value.where, caught.value.remedy) == (f"prompts.{name}={value}", f"set it to {least} or more")
    replace(ready, **{name: least})  # type: ignore[arg-type]


def test_conditions_are_checked_when_a_run_is_configured() -> None:
    with pytest.raises(UserError, match="size is never '4'"):
        prompts_config({"attributes": {"size": SIZES}, "exclude": [{"size": 4}]})


def test_a_config_that_refers_to_other_groups_is_checked_once_they_are_there() -> None:
    assert str(PromptsConfig().task) == "${task}"


def test_the_identity_is_the_tokenizer_not_its_name() -> None:
    identity = prompts_config(max_tokens=99).identity()
    assert identity == prompts_config().identity()
    assert identity["model"] != MODEL
    assert prompts_config(context_tokens=1024).identity() != identity


def test_every_kind_of_plan_has_an_identity_of_its_own() -> None:
    config = prompts_config()
    plans = (
        config,
        RoundConfig(config, 2),
        RoundConfig(config, 3),
        ValuesConfig(PromptKind.chat, {"topic": WrittenConfig("Topics:")}),
        ValuesConfig(PromptKind.chat, {"topic": WrittenConfig("Themes:")}),
        SelfInstructConfig(config.task, 5, 0),
        SelfInstructConfig(config.task, 5, 1),
    )
    identities = [identity_of(plan) for plan in plans]
    assert all(identities.count(identity) == 1 for identity in identities)
