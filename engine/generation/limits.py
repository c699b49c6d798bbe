"""An engine that finds too little memory: how that is recognised, and the smaller limits it starts with once more.

In: what an engine said when it did not start, and its config. Out: whether memory was short, a config that needs less,
and what was changed in words. Pure, so that every message is tested without running out of anything. None of the
limits is part of what is made: they decide how much is computed at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import UserError
from engine.generation.config import GROUP, GeneratorConfig, generator_configs, model_configs
from engine.generation.vllm_generator import gpu_share

KILLED = "its process was killed while it loaded, as the system does when memory is short"

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
    """Tells whether what an engine said means that there was too little memory."""
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS)


def smaller_limits(config: GeneratorConfig, reason: str) -> tuple[GeneratorConfig, list[str]]:
    """Makes a config that needs less memory; returns each change too, as `samples.NAME OLD -> NEW`.

    On CPU the KV cache and the batch are halved. On GPU the batch is halved, and the share of the GPU that vLLM takes
    goes down; or up, where it was the share that left nothing for the cache. What a further model sets for itself is
    lowered likewise; all else it has from `samples`.

    Args:
        config: what the engine was started with.
        reason: what it said.
    """
    fields, changes = _lower(config, _limits(config, reason), "samples")
    configs, models = model_configs(config), {}
    for name, settings in config.models.items():
        limits = [limit for limit in _limits(configs[name], reason) if limit.field in settings]
        lowered, more_changes = _lower(configs[name], limits, f"samples.models.{name}")
        models[name] = {**settings, **lowered}
        changes += more_changes
    return replace(config, **fields, models=models), changes


@dataclass(frozen=True)
class _Limit:
    """One setting that decides how much memory an engine needs."""

    field: str
    """The field of the config: `engine_args` where the argument is given there, since it wins."""
    argument: str
    """The argument of `vllm.LLM`."""
    old: float
    new: float


def _limits(config: GeneratorConfig, reason: str) -> list[_Limit]:
    """Returns the limits of one model, with lower values."""
    arguments = config.engine_args

    def halved(field: str, argument: str) -> _Limit:
        old = int(arguments.get(argument, getattr(config, field)))
        return _Limit("engine_args" if argument in arguments else field, argument, old, max(1, old // 2))

    batch = halved("max_num_seqs", "max_num_seqs")
    if not config.gpus():
        return [batch, halved("kv_cache_bytes", "kv_cache_memory_bytes")]
    share = _share(config)
    most = 0.97 * min(1.0, config.gpus())
    new = min(most, share + 0.04) if _NO_BLOCKS in reason.lower() else share * 0.8
    return [
        batch,
        halved("max_num_batched_tokens", "max_num_batched_tokens"),
        _Limit("engine_args", "gpu_memory_utilization", share, round(new, 3)),
    ]


def memory_share(config: GeneratorConfig) -> float:
    """Returns the share of a GPU's memory that all models of an engine take together."""
    return sum(_share(each) for each in model_configs(config).values())


def check_memory_share(config: GeneratorConfig) -> None:
    """Holds what all models of an engine take of a GPU against the part of it that the engine has.

    Raises:
        UserError: engines that share a GPU want more of its memory than their parts, in one generator or in a mix.
    """
    generators = {f"{GROUP}.mix.{name}": each for name, each in generator_configs(config).items()} or {GROUP: config}
    for key, each in generators.items():
        gpus, share = each.gpus(), round(memory_share(each), 3)
        if 0 < gpus < 1 and share > gpus:
            models = f"the {1 + len(each.models)} models of an engine"
            what = f"{models} take {share:g} of a GPU's memory together, more than an engine has"
            remedy = "lower gpu_memory_utilization in engine_args of the models, or leave it out of all of them"
            raise UserError(what, where=f"{key}.gpus_per_engine={gpus:g}", remedy=remedy)


def _share(config: GeneratorConfig) -> float:
    return float(config.engine_args.get("gpu_memory_utilization", gpu_share(config)))


def _lower(config: GeneratorConfig, limits: Sequence[_Limit], where: str) -> tuple[dict[str, Any], list[str]]:
    """Returns the fields of a config that change, and each change in words."""
    fields: dict[str, Any] = {limit.field: limit.new for limit in limits if limit.field != "engine_args"}
    arguments = {limit.argument: limit.new for limit in limits if limit.field == "engine_args"}
    if arguments:
        fields["engine_args"] = {**config.engine_args, **arguments}
    names = (f"engine_args.{limit.argument}" if limit.field == "engine_args" else limit.field for limit in limits)
    return fields, [f"{where}.{name} {limit.old} -> {limit.new}" for name, limit in zip(names, limits, strict=True)]


def memory_remedy(config: GeneratorConfig) -> str:
    """Names the settings to change when smaller limits did not help either."""
    if config.gpus():
        return (
            "lower samples.max_num_seqs, samples.max_num_batched_tokens or samples.context_tokens, raise "
            "samples.gpus_per_engine, free the GPU, or name a smaller or quantized samples.model"
        )
    return (
        "lower samples.kv_cache_bytes, samples.max_num_seqs or samples.num_engines, "
        "or name a smaller samples.model; samples.precision=bf16 halves what weights take in fp32; "
        "other programs may hold the memory"
    )
