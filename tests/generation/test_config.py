"""What a generator's config refuses, what of it is identity, and which code is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorConfig, GeneratorKind, generator_configs, model_configs, written_by
from engine.runtime.identity import identity_of, reachable

FAKE = GeneratorConfig(generator=GeneratorKind.fake, seed=0)


def test_where_it_runs_is_not_what_it_makes() -> None:
    moved = replace(FAKE, num_engines=4, part_rows=9, max_num_seqs=7, kv_cache_bytes=1)
    assert identity_of(moved) == identity_of(FAKE)
    assert identity_of(replace(FAKE, temperature=0.1)) != identity_of(FAKE)
    assert identity_of(replace(FAKE, engine_args={"quantization": "fp8"})) != identity_of(FAKE)


def test_a_token_is_no_identity() -> None:
    given = {"dtype": "float32", "hf_token": "planted"}
    safe = identity_of(replace(FAKE, engine_args={"dtype": "float32"}))
    assert identity_of(replace(FAKE, engine_args=given)) == safe
    deep = replace(FAKE, mix={"a": {"share": 1, "engine_args": given}}, models={"judge": {"engine_args": given}})
    assert "planted" not in str(identity_of(deep))
    assert "float32" in str(identity_of(deep))


def test_the_code_that_writes_is_part_of_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity_of(FAKE)
    assert FAKE.identity()["written_by"] == written_by()
    monkeypatch.setattr("engine.generation.config.source_hash", lambda module: f"edited {module}")
    assert identity_of(FAKE) != before


def test_the_code_that_writes_is_the_loop_and_what_it_loads_and_nothing_of_the_driver() -> None:
    writing = {*reachable("engine.generation.loop"), *reachable("engine.generation.load")}
    room = {module.removeprefix("engine.generation.") for module in writing if ".generation." in module}
    assert room >= {"loop", "load", "batch", "conversation", "admission", "vllm_generator", "fake_generator"}
    assert not room & {"actor", "engines", "limits", "pool", "pools", "processors", "routing"}
    assert {"engine.task.render", "engine.task.answers", "engine.task.sampling"} <= writing


def test_the_fake_generator_needs_no_model() -> None:
    assert replace(FAKE, model="/no/such").identity()["model"] == "fake"
    assert replace(FAKE, model="/no/such").model_name() == "fake"


def test_an_answer_longer_than_the_context_is_refused() -> None:
    with pytest.raises(UserError, match="2048 output tokens do not fit") as caught:
        GeneratorConfig(max_tokens=2048, context_tokens=2048, seed=0)
    assert caught.value.where == "samples.max_tokens"
    assert caught.value.remedy == "lower samples.max_tokens or raise samples.context_tokens"


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("temperature", -1.0, "0 or more"),
        ("max_num_seqs", 0, "1 or more"),
        ("part_rows", 0, "1 or more"),
        ("num_engines", -1, "0 or more"),
        ("max_seconds", -1.0, "0 or more"),
        ("part_seconds", 0.0, "more than 0"),
        ("gpus_per_engine", -2, "0 or more, or -1 for as many as fit"),
        ("gpus_per_engine", -0.5, "0 or more, or -1 for as many as fit"),
        ("gpus_per_engine", 1.5, "a part of one GPU, or a whole number of them"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: float, bounds: str) -> None:
    with pytest.raises(UserError, match=f"{value} is out of range") as caught:
        replace(FAKE, **{name: value})
    assert caught.value.where == f"samples.{name}={value}"
    assert caught.value.remedy == f"set it to {bounds}"


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"precision": "half"}, "samples.precision=half"),
        ({"mix": {"a": {"share": 1, "precision": "half"}}}, "samples.mix.a.precision=half"),
    ],
)
def test_an_unknown_precision_is_refused(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match="half is unknown") as caught:
        generator_configs(replace(FAKE, **settings))
    assert caught.value.where == where
    assert caught.value.remedy == "set it to one of auto, bf16, fp32"


def test_a_part_of_a_gpu_goes_with_nothing_that_takes_more() -> None:
    half = replace(FAKE, gpus_per_engine=0.5, engine_args={"tensor_parallel_size": 1, "gpu_memory_utilization": 0.5})
    assert half.gpus() == 0.5
    with pytest.raises(UserError, match=r"2 GPUs are wanted of an engine that has 0\.5 of one") as caught:
        replace(half, engine_args={"tensor_parallel_size": 2})
    assert caught.value.where == "samples.engine_args.tensor_parallel_size=2"
    with pytest.raises(UserError, match=r"more of a GPU's memory than samples.gpus_per_engine=0.5 leaves") as caught:
        replace(half, engine_args={"gpu_memory_utilization": 0.9})
    assert caught.value.remedy == "set it to 0.5 at most, or leave it out"
    with pytest.raises(UserError, match="more of a GPU's memory"):
        model_configs(replace(half, models={"judge": {"engine_args": {"gpu_memory_utilization": 0.9}}}))
    replace(half, gpus_per_engine=2, engine_args={"tensor_parallel_size": 2, "gpu_memory_utilization": 0.9})


def test_a_seed_for_all_engines_is_refused() -> None:
    with pytest.raises(UserError, match="the seed 7 would give all engines the same draws") as caught:
        replace(FAKE, engine_args={"seed": 7})
    assert caught.value.where == "samples.engine_args.seed"
    with pytest.raises(UserError, match="the seed 7") as caught:
        model_configs(replace(FAKE, models={"judge": {"engine_args": {"seed": 7}}}))
    assert caught.value.where == "samples.models.judge.engine_args.seed"
    assert "set `seed` of the run" in caught.value.remedy


def test_code_that_comes_with_a_model_is_never_run() -> None:
    with pytest.raises(UserError, match="would run code that comes with a model") as caught:
        replace(FAKE, engine_args={"trust_remote_code": True})
    assert caught.value.where == "samples.engine_args.trust_remote_code"
    with pytest.raises(UserError, match="would run code"):
        model_configs(replace(FAKE, models={"judge": {"engine_args": {"trust_remote_code": True}}}))
    replace(FAKE, engine_args={"trust_remote_code": False})


def test_a_mistake_is_named_by_the_key_that_it_was_written_under() -> None:
    with pytest.raises(UserError, match="out of range") as caught:
        model_configs(replace(FAKE, models={"judge": {"top_p": 2.0}}))
    assert caught.value.where == "samples.models.judge.top_p=2.0"
    with pytest.raises(UserError, match="out of range") as caught:
        generator_configs(replace(FAKE, mix={"large": {"share": 1, "part_rows": 0}}))
    assert caught.value.where == "samples.mix.large.part_rows=0"
    with pytest.raises(UserError, match="48 output tokens do not fit a context of 40") as caught:
        model_configs(replace(FAKE, models={"judge": {"context_tokens": 40}}))
    assert caught.value.where == "samples.max_tokens", "the model has them from there"
    assert caught.value.remedy == "lower samples.max_tokens or raise samples.models.judge.context_tokens"


def test_a_model_that_does_not_exist_is_named_by_its_key() -> None:
    real = GeneratorConfig(seed=0)
    with pytest.raises(UserError, match="no such model") as caught:
        replace(real, models={"judge": {"model": "/no/such"}}).identity()
    assert caught.value.where == "samples.models.judge.model=/no/such"
    with pytest.raises(UserError, match="no such model") as caught:
        replace(real, mix={"large": {"share": 1, "model": "/no/such"}}).identity()
    assert caught.value.where == "samples.mix.large.model=/no/such"


def test_configs_have_the_same_key_when_they_start_the_same_engines() -> None:
    assert replace(FAKE).engines_key() == FAKE.engines_key()
    assert replace(FAKE, max_num_seqs=9).engines_key() != FAKE.engines_key()


def test_gpus_follow_the_setting() -> None:
    assert replace(FAKE, gpus_per_engine=2).gpus() == 2
    assert replace(FAKE, gpus_per_engine=0).gpus() == 0
