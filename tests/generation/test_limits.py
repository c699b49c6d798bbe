"""Memory that is short is recognised from what engines say, and the smaller limits really are smaller."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorConfig, model_configs
from engine.generation.limits import KILLED, check_memory_share, is_out_of_memory, memory_remedy, smaller_limits
from engine.generation.vllm_generator import engine_arguments
from engine.runtime.identity import identity_of

ON_CPU = GeneratorConfig(seed=0, gpus_per_engine=0, max_num_seqs=64, kv_cache_bytes=2**31)
ON_GPU = GeneratorConfig(seed=0, gpus_per_engine=1, max_num_seqs=64, max_num_batched_tokens=4096)


@pytest.mark.parametrize(
    "said",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "ray::EngineActor.ready()\nRuntimeError: MemoryError: ",
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. Error code 12",
        "OSError: [Errno 12] Cannot allocate memory",
        "RuntimeError: std::bad_alloc",
        "Free memory on device cuda:0 (1.0/24.0 GiB) on startup is less than desired GPU memory utilization",
        "Available memory on node 0 (9.1/23.4 GiB) on kv cache allocation is less than requested memory for kv",
        "1 Workers killed due to the node running low on memory.",
        KILLED,
    ],
)
def test_short_memory_is_recognised(said: str) -> None:
    assert is_out_of_memory(said)


@pytest.mark.parametrize(
    "said",
    [
        "OSError: no file named model.safetensors",
        "ValueError: To serve at least one request with the models's max seq len (40960), 4.4 GiB KV cache is needed",
        "Initializing a V1 LLM engine with kv_cache_memory_bytes=2147483648",
        "",
    ],
)
def test_other_errors_are_not(said: str) -> None:
    assert not is_out_of_memory(said), "a retry with less would only hide it"


def test_on_cpu_cache_and_batch_are_halved() -> None:
    smaller, changes = smaller_limits(ON_CPU, "MemoryError")
    assert (smaller.kv_cache_bytes, smaller.max_num_seqs) == (2**30, 32)
    assert changes == ["samples.max_num_seqs 64 -> 32", "samples.kv_cache_bytes 2147483648 -> 1073741824"]
    assert "gpu_memory_utilization" not in smaller.engine_args


def test_on_gpu_the_batch_and_the_share_go_down() -> None:
    smaller, changes = smaller_limits(ON_GPU, "CUDA out of memory")
    assert (smaller.max_num_seqs, smaller.max_num_batched_tokens) == (32, 2048)
    assert smaller.engine_args == {"gpu_memory_utilization": 0.736}
    assert "samples.engine_args.gpu_memory_utilization 0.92 -> 0.736" in changes


def test_a_share_that_left_nothing_for_the_cache_goes_up() -> None:
    reason = "No available memory for the cache blocks."
    own = replace(ON_GPU, engine_args={"gpu_memory_utilization": 0.5})
    assert smaller_limits(own, reason)[0].engine_args["gpu_memory_utilization"] == 0.54
    assert smaller_limits(ON_GPU, reason)[0].engine_args["gpu_memory_utilization"] == 0.96


def test_limits_in_engine_args_are_lowered_there_since_they_win() -> None:
    own = {"max_num_seqs": 9, "kv_cache_memory_bytes": 100, "dtype": "bfloat16"}
    smaller, changes = smaller_limits(replace(ON_CPU, engine_args=own), "MemoryError")
    assert smaller.engine_args == {"max_num_seqs": 4, "kv_cache_memory_bytes": 50, "dtype": "bfloat16"}
    assert (smaller.max_num_seqs, smaller.kv_cache_bytes) == (64, 2**31)
    assert changes[0] == "samples.engine_args.max_num_seqs 9 -> 4"
    assert own["max_num_seqs"] == 9, "the user's config is left alone"


def test_a_batch_of_one_stays_one() -> None:
    assert smaller_limits(replace(ON_CPU, max_num_seqs=1), "MemoryError")[0].max_num_seqs == 1


def test_what_a_further_model_sets_for_itself_is_lowered_too() -> None:
    judge = {"model": "large", "kv_cache_bytes": 100, "engine_args": {"max_num_seqs": 8}}
    both = replace(ON_CPU, models={"judge": judge, "plain": {"model": "small"}})
    smaller, changes = smaller_limits(both, "MemoryError")
    assert smaller.models["judge"] == {"model": "large", "kv_cache_bytes": 50, "engine_args": {"max_num_seqs": 4}}
    assert smaller.models["plain"] == {"model": "small"}
    assert model_configs(smaller)["plain"].kv_cache_bytes == 2**30, "what it does not set it has from samples"
    assert changes[2:] == [
        "samples.models.judge.engine_args.max_num_seqs 8 -> 4",
        "samples.models.judge.kv_cache_bytes 100 -> 50",
    ]
    assert judge["kv_cache_bytes"] == 100, "the user's config is left alone"


def test_models_of_one_gpu_share_it_also_after_their_limits_were_lowered() -> None:
    both = replace(ON_GPU, models={"judge": {"model": "large"}})
    assert [engine_arguments(own, 0)["gpu_memory_utilization"] for own in model_configs(both).values()] == [0.46, 0.46]
    smaller, changes = smaller_limits(both, "CUDA out of memory")
    shares = [engine_arguments(own, 0)["gpu_memory_utilization"] for own in model_configs(smaller).values()]
    assert shares == [0.368, 0.368]
    assert "samples.engine_args.gpu_memory_utilization 0.46 -> 0.368" in changes


def test_an_engine_that_shares_a_gpu_never_takes_more_than_its_part() -> None:
    smaller, changes = smaller_limits(replace(ON_GPU, gpus_per_engine=0.5), "No available memory for the cache blocks")
    assert smaller.engine_args["gpu_memory_utilization"] == 0.485
    assert "samples.engine_args.gpu_memory_utilization 0.46 -> 0.485" in changes


def test_models_of_one_engine_take_no_more_of_a_gpu_than_the_engine_has() -> None:
    share = {"engine_args": {"gpu_memory_utilization": 0.4}}
    half = replace(ON_GPU, gpus_per_engine=0.5, models={"judge": {"model": "large"}})
    check_memory_share(half)
    check_memory_share(replace(half, gpus_per_engine=1, models={"judge": share}, **share))
    both = replace(half, models={"judge": share}, **share)
    with pytest.raises(UserError, match=r"the 2 models of an engine take 0\.8 of a GPU's memory together") as caught:
        check_memory_share(both)
    assert caught.value.where == "samples.gpus_per_engine=0.5"
    with pytest.raises(UserError, match="more than an engine has") as caught:
        check_memory_share(replace(both, mix={"large": {"share": 1}}))
    assert caught.value.where == "samples.mix.large.gpus_per_engine=0.5"


def test_smaller_limits_on_cpu_make_the_same_samples() -> None:
    assert identity_of(smaller_limits(ON_CPU, "MemoryError")[0]) == identity_of(ON_CPU)


def test_the_remedy_names_settings_of_the_device() -> None:
    assert "samples.kv_cache_bytes" in memory_remedy(ON_CPU)
    assert "samples.gpus_per_engine" in memory_remedy(ON_GPU)
    assert "kv_cache_bytes" not in memory_remedy(ON_GPU)
    assert "samples.precision=bf16" in memory_remedy(ON_CPU), "auto may have chosen fp32, in which weights are twice"
