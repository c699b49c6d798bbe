"""Sampling: ranges, and a turn's own settings over its model's."""

from dataclasses import fields

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorConfig
from engine.generation.jobs import sampling_of
from engine.task.config import TurnConfig
from engine.task.sampling import RANGES, Sampling, check_sampling, sampling_of_turn
from engine.task.turns import Turn

CONFIG = GeneratorConfig(seed=0, temperature=0.3, top_p=0.9, max_tokens=48, frequency_penalty=0.5)


def test_what_a_turn_sets_wins_and_the_rest_is_its_models() -> None:
    turn = Turn("t", TurnConfig("x", temperature=0.0, top_k=20, stop=["\n"]), "task.turns.t")
    assert sampling_of_turn(turn.config) == {"temperature": 0.0, "top_k": 20}
    expected = Sampling(0.0, 0.9, 48, top_k=20, frequency_penalty=0.5, stop=("\n",))
    assert sampling_of(turn, CONFIG) == expected


def test_penalties_of_the_model_are_for_free_text() -> None:
    chosen = Turn("t", TurnConfig("x", choice=["good", "bad"]), "task.turns.t")
    assert sampling_of(chosen, CONFIG).frequency_penalty == 0.0
    assert sampling_of(chosen, CONFIG).top_p == 0.9
    insisting = Turn("t", TurnConfig("x", choice=["good", "bad"], frequency_penalty=0.1), "task.turns.t")
    assert sampling_of(insisting, CONFIG).frequency_penalty == 0.1


def test_every_setting_is_one_of_models_turns_and_requests() -> None:
    for where in (GeneratorConfig, TurnConfig, Sampling):
        assert set(RANGES) <= {field.name for field in fields(where)}, where.__name__
    check_sampling({name: getattr(GeneratorConfig(seed=0), name) for name in RANGES}, "samples")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("min_p", 1.1),
        ("frequency_penalty", 2.5),
        ("presence_penalty", -2.5),
        ("max_tokens", 0),
    ],
)
def test_what_no_engine_takes_is_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match="out of range") as caught:
        check_sampling({name: value}, "samples")
    assert caught.value.where == f"samples.{name}={value}"
    assert RANGES[name].bounds in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("top_p", 1.0),
        ("top_k", 0),
        ("min_p", 0.0),
        ("min_p", 1.0),
        ("frequency_penalty", -2.0),
        ("presence_penalty", 2.0),
        ("max_tokens", 1),
    ],
)
def test_the_ends_of_a_range_belong_to_it(name: str, value: float) -> None:
    check_sampling({name: value}, "samples")
