"""The samples step: prompts -> samples, written by engines in Ray actors, committed part by part.

In: documents and the plan. Out: `attempt-*/part-*.parquet` (records.SAMPLES), every planned id exactly once,
failed rows included. A step that was killed goes on where its committed parts end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import II

from engine.errors import UserError, suggest
from engine.models.adapter import adapter_digest
from engine.models.resolve import model_digest
from engine.runtime.identity import fields_of, placement
from engine.task.sampling import RANGES, check_sampling

_NOT_NEGATIVE = (
    "max_seconds",
    "num_engines",
    "cpus_per_engine",
    "warm_prefixes",
    "price_per_gpu_hour",
    "price_per_cpu_hour",
    "max_engine_deaths",
    "fake_samples_per_second",
    "fake_memory_bytes",
)


class GeneratorKind(Enum):
    """What writes."""

    vllm = "vllm"
    fake = "fake"
    """No model: computed text, for tests and dry runs."""


@dataclass(frozen=True)
class SamplesConfig:
    """Which model writes, how it samples, and where its engines run."""

    model: str = "bundled:smollm2-135m-instruct"
    generator: GeneratorKind = GeneratorKind.vllm
    lora: str = ""
    """A LoRA adapter of the model: a local folder or a hub id; empty for none."""
    temperature: float = 0.7
    top_p: float = 0.95
    """Tokens are drawn from the likeliest that together have this probability ..."""
    top_k: int = 0
    """... and are at most this many (0: no limit) ..."""
    min_p: float = 0.0
    """... and are each at least this share of the likeliest one's probability."""
    frequency_penalty: float = 0.0
    """Taken from a token's logit for each time that the output has it: small models otherwise repeat themselves."""
    presence_penalty: float = 0.0
    """The same, once for a token that the output has at all."""
    max_tokens: int = 48
    """Output tokens of a sample."""
    context_tokens: int = 2048
    """Prompt and output together."""
    logprobs: bool = True
    """Keep each sample's mean log-probability."""
    seed: int = II("seed")
    rounds: int = placement(1)
    """Rounds in which samples are planned: each re-weights conditions and passages by what was kept before it."""
    max_failed_share: float = placement(0.5)
    """A run is stopped as wrong when more than this share of its samples failed: of at least 50, or of all. Samples
    that a turn's `keep_if` turned down do not count."""
    max_seconds: float = placement(0.0)
    """Seconds of generation after which a run ends in good order (exit code 3), loading not counted; 0: no limit."""
    num_engines: int = placement(0)
    """Engines, one Ray actor each; 0: one per GPU group, or one on CPU."""
    gpus_per_engine: int = placement(-1)
    """Tensor parallelism; -1: 1 where there is a GPU, else 0."""
    cpus_per_engine: int = placement(0)
    """Threads of an engine on CPU; 0: all cores divided by the engines."""
    max_num_seqs: int = placement(64)
    """Samples in the batch at a time."""
    max_num_batched_tokens: int = placement(4096)
    kv_cache_bytes: int = placement(2 * 2**30)
    """KV cache on CPU."""
    warm_prefixes: int = placement(0)
    """Prefixes that an engine is taken to keep in its cache, when work is routed; 0: what the cache says it holds."""
    mix: dict[str, Any] = field(default_factory=dict)
    """Several generators by share: `{small: {share: 0.7}, large: {share: 0.3, model: ...}}`; see engine/generation/pools.py."""
    models: dict[str, Any] = field(default_factory=dict)
    """Further models that turns of the task name: `{judge: {model: ..., temperature: 0.0}}`; see engine/generation/load.py."""
    engine_args: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `vllm.LLM`; they win over all others, so they are part of what is made."""
    price_per_gpu_hour: float = placement(0.0)
    """For the report's table of cost, in a currency of yours; 0: unknown."""
    price_per_cpu_hour: float = placement(0.0)
    """Of one core, likewise; it comes on top of the GPU's where both are set."""
    part_rows: int = placement(256)
    """An engine commits its open part after this many rows ..."""
    part_seconds: float = placement(30.0)
    """... or this many seconds."""
    max_engine_deaths: int = placement(3)
    """Engines are restarted this often in one start of the driver."""
    fake_samples_per_second: float = placement(0.0)
    """Slows the fake generator down, for tests of what happens in between; 0: as fast as it can."""
    fake_memory_bytes: int = placement(0)
    """The fake generator refuses a larger KV cache than this, and is killed with a far larger; 0: no limit."""

    def __post_init__(self) -> None:
        check_sampling({name: getattr(self, name) for name in RANGES}, "samples")
        for name in ("rounds", "max_num_seqs", "max_num_batched_tokens", "kv_cache_bytes", "part_rows"):
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in _NOT_NEGATIVE:
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("max_failed_share", 0 <= self.max_failed_share <= 1, "from 0 to 1")
        self._require("gpus_per_engine", self.gpus_per_engine >= -1, "0 or more, or -1 for as many as fit")
        self._require("part_seconds", self.part_seconds > 0, "more than 0")
        if self.max_tokens >= self.context_tokens:
            raise UserError(
                f"{self.max_tokens} output tokens do not fit a context of {self.context_tokens}",
                where="samples.max_tokens",
                remedy="lower samples.max_tokens or raise samples.context_tokens",
            )

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        value = getattr(self, name)
        if not holds:
            raise UserError(f"{value} is out of range", where=f"samples.{name}={value}", remedy=f"set it to {wanted}")

    def identity(self) -> dict[str, object]:
        """What models and adapters hold in place of their names; none of them for the fake generator."""
        fake = self.generator is GeneratorKind.fake
        return fields_of(self) | {
            "model": "fake" if fake else model_digest(self.model, key="samples.model"),
            "lora": "" if fake else adapter_digest(self.lora),
            "mix": self._mix_identity(),
            "models": self._models_identity(),
        }

    def _mix_identity(self) -> dict[str, object]:
        if not self.mix:
            return {}
        from engine.generation.config import generator_configs

        configs = generator_configs(self)
        return {name: own.identity() | {"share": self.mix[name]["share"]} for name, own in configs.items()}

    def _models_identity(self) -> dict[str, object]:
        if not self.models:
            return {}
        from engine.generation.config import model_configs

        return {name: replace(own, models={}).identity() for name, own in model_configs(self).items() if name}

    def model_name(self) -> str:
        """What a sample's row says wrote it."""
        if self.generator is GeneratorKind.fake:
            return "fake"
        return f"{self.model}+{self.lora}" if self.lora else self.model

    def gpus(self) -> int:
        """GPUs of each engine."""
        return self.gpus_per_engine if self.gpus_per_engine >= 0 else int(has_gpu())


def with_settings(config: SamplesConfig, settings: object, *, where: str, allowed: AbstractSet[str]) -> SamplesConfig:
    """The config of one of several models: `config`, and over it its own settings.

    Args:
        config: what it does not set itself.
        settings: from a mapping that is free to the config schema, so its values are held against the fields here.
        where: where they are written.
        allowed: the settings that it may have.

    Raises:
        UserError: a setting does not exist, may not be set here, is of the wrong type, or out of range.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"{settings!r} is no mapping", where=where, remedy="write its settings, as in {model: ...}")
    if wrong := sorted(map(str, settings.keys() - allowed)):
        raise UserError(f"{wrong[0]!r} is no setting of one model", where=where, remedy=suggest(wrong[0], allowed))
    for name, value in settings.items():
        default = getattr(config, name)
        wanted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, wanted) or isinstance(value, bool) is not isinstance(default, bool):
            remedy = f"write a value such as {default!r}"
            raise UserError(f"{value!r} is of the wrong type", where=f"{where}.{name}", remedy=remedy)
    try:
        return replace(config, **settings)
    except UserError as error:  # the config's own check names the setting as if it were the step's
        where = error.where.replace("samples", where, 1)
        raise UserError(error.what, where=where, remedy=error.remedy) from error


def has_gpu() -> bool:
    """Whether this machine lists an NVIDIA GPU; asks the driver's device files, so nothing heavy is imported."""
    return Path("/dev/nvidia0").exists()


OWN = {
    "model",
    "lora",
    *RANGES,
    "context_tokens",
    "max_num_seqs",
    "max_num_batched_tokens",
    "kv_cache_bytes",
    "engine_args",
}
"""Settings that a further model can have for itself; all others are those of the samples step."""


def model_configs(config: SamplesConfig) -> dict[str, SamplesConfig]:
    """The config of every model of an engine by the name that turns use; the step's own model is "".

    Raises:
        UserError: a setting does not exist, cannot be set for one model, or is of the wrong type.
    """
    named = {
        str(name): with_settings(config, settings, where=f"samples.models.{name}", allowed=OWN)
        for name, settings in config.models.items()
    }
    return {"": config, **named}


SHARED = {"mix", "models", "generator", "seed", "context_tokens", "max_seconds", "max_failed_share"}
"""Settings of the run as a whole; the plan, for one, counts tokens for one context."""


def generator_configs(config: SamplesConfig) -> dict[str, SamplesConfig]:
    """The config of each generator, by name, in the order in which they work.

    Raises:
        UserError: a share is missing or not above 0, or a setting does not exist or is one of the whole run.
    """
    valid = {field.name for field in dataclasses.fields(config)} - SHARED
    found = {}
    for name, settings in config.mix.items():
        where = f"samples.mix.{name}"
        share = settings.get("share") if isinstance(settings, Mapping) else None
        if not isinstance(share, (int, float)) or not 0 < share < float("inf"):
            raise UserError(f"the share is {share!r}", where=where, remedy="write share: 0.5, say; any number above 0")
        own = {key: value for key, value in settings.items() if key != "share"}
        found[name] = with_settings(dataclasses.replace(config, mix={}), own, where=where, allowed=valid)
    return found
