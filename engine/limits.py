"""An engine that finds too little memory: how that is recognised, and the smaller limits it starts with once more.

In: what an engine said when it did not start, and its config. Out: whether memory was short, a config that needs less,
and what was changed in words. Pure, so that every message is tested without running out of anything. None of the
limits is part of what is made: they decide how much is computed at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.samples import SamplesConfig

KILLED = "its process was killed while it loaded, as the system does when memory is short"
GPU_SHARE = 0.92
"""vLLM's default of `gpu_memory_utilization`."""

_NO_BLOCKS = "no available memory for the cache blocks"
_SIGNS = (
    _NO_BLOCKS,  # the weights and the largest batch leave nothing for the KV cache
    "out of memory",  # CUDA, HIP, XPU
    "memoryerror",
    "cannot allocate memory",
    "can't allocate memory",  # torch on CPU
    "bad_alloc",
    "is less than desired gpu memory utilization",
    "is less than desired cpu memory utilization",
    "is less than requested memory for kv",
    "running low on memory",  # Ray's own monitor ended the process
    KILLED,
)


def is_out_of_memory(text: str) -> bool:
    """Whether what an engine said means that there was too little memory."""
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS)


def smaller_limits(config: SamplesConfig, reason: str) -> tuple[SamplesConfig, list[str]]:
    """A config that needs less memory, and each change as `samples.NAME OLD -> NEW`.

    On CPU the KV cache and the batch are halved. On GPU the batch is halved, and the share of the GPU that vLLM takes
    goes down; or up, where it was the share that left nothing for the cache.

    Args:
        config: what the engine was started with.
        reason: what it said.
    """
    arguments = dict(config.engine_args)
    fields: dict[str, Any] = {}
    changes: list[str] = []

    def change(field: str, argument: str, new: Any, old: Any) -> None:
        in_arguments = argument in arguments or not field
        name = f"samples.engine_args.{argument}" if in_arguments else f"samples.{field}"
        (arguments if in_arguments else fields)[argument if in_arguments else field] = new
        changes.append(f"{name} {old} -> {new}")

    def halve(field: str, argument: str) -> None:
        old = int(arguments.get(argument, getattr(config, field)))
        change(field, argument, max(1, old // 2), old)

    halve("max_num_seqs", "max_num_seqs")
    if config.gpus():
        halve("max_num_batched_tokens", "max_num_batched_tokens")
        share = float(arguments.get("gpu_memory_utilization", GPU_SHARE))
        new = min(0.97, share + 0.04) if _NO_BLOCKS in reason.lower() else share * 0.8
        change("", "gpu_memory_utilization", round(new, 3), share)
    else:
        halve("kv_cache_bytes", "kv_cache_memory_bytes")
    return replace(config, **fields, engine_args=arguments), changes


def memory_remedy(config: SamplesConfig) -> str:
    """Which settings to change when smaller limits did not help either."""
    if config.gpus():
        return (
            "lower samples.max_num_seqs, samples.max_num_batched_tokens or samples.context_tokens, raise "
            "samples.gpus_per_engine, free the GPU, or name a smaller or quantized samples.model"
        )
    return (
        "lower samples.kv_cache_bytes, samples.max_num_seqs or samples.num_engines, "
        "or name a smaller samples.model; other programs may hold the memory"
    )
