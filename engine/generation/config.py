"""What engines need to be told: which model writes, how it samples, and how much of the machine it may use.

In: YAML under `samples`, of which further models (`samples.models`) and further generators (`samples.mix`) may set
some for themselves. Out: one frozen config for each model, checked when it is made; a mistake is named by the key that
it was written under. How many rows go out, and what a run does with them, is not said here (engine/samples/config.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast

from engine.errors import UserError, check_setting, suggest
from engine.models.adapter import adapter_digest
from engine.models.precision import PRECISIONS
from engine.models.resolve import model_digest
from engine.runtime.identity import fields_of, identity_of, placement, source_hash
from engine.runtime.secrets import without_secrets
from engine.storage.digests import digest
from engine.task.sampling import RANGES, check_sampling

GROUP = "samples"
"""The group of the run's config that these settings stand in."""

SETTINGS_PER_MODEL = {
    "model",
    "lora",
    "instruct",
    "thinking",
    *RANGES,
    "context_tokens",
    "max_num_seqs",
    "max_num_batched_tokens",
    "kv_cache_bytes",
    "precision",
    "engine_args",
}
"""Settings that a further model can have for itself; all others are those of the samples step."""

RUN_WIDE_SETTINGS = {"mix", "models", "generator", "instruct", "seed", "context_tokens", "max_seconds"}
"""Settings of a generator that the generators of a mix share; the plan, for one, counts tokens for one context."""


class GeneratorKind(Enum):
    """What writes."""

    vllm = "vllm"
    fake = "fake"
    """No model: computed text, for tests and dry runs."""


def at_least(least: float, default: Any) -> Any:
    """Makes a placement field whose value is refused below `least`."""
    return field(default=default, metadata={"placement": True, "at_least": least})


@dataclass(frozen=True)
class GeneratorConfig:
    """The model that writes, how it samples, and where its engines run."""

    # Which model.
    model: str = "bundled:smollm2-135m-instruct"
    generator: GeneratorKind = GeneratorKind.vllm
    lora: str = ""
    """A LoRA adapter of the model: a local folder or a hub id; empty for none."""
    instruct: bool = False
    """Whether it follows instructions: tasks of kind `auto` are then put to it in chats (generation/kinds.py)."""
    thinking: bool = False
    """Let a model that can think do so in chats: its thoughts come before the answer, see `answer_after` of a turn."""
    models: dict[str, Any] = field(default_factory=dict)
    """Further models that turns of the task name: `{judge: {model: ..., temperature: 0.0}}` (generation/load.py)."""
    mix: dict[str, Any] = field(default_factory=dict)
    """Several generators by share: `{small: {share: 0.7}, large: {share: 0.3, model: ...}}` (generation/pools.py)."""

    precision: str = "auto"
    """The arithmetic of the engine: bf16, fp32, or auto, which is the weights' own, but fp32 on a CPU that cannot
    multiply bf16 natively: there bf16 takes several times as long."""

    # How it samples.
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
    seed: int = cast(int, "${seed}")
    """Follows the seed of the run, as `omegaconf.II` writes it: engines need this module, and nothing of OmegaConf."""

    # Engines, and what each of them may use.
    num_engines: int = at_least(0, 0)
    """Engines, one Ray actor each; 0: one per GPU group, or one on CPU."""
    gpus_per_engine: float = placement(-1.0)
    """More than 1: tensor parallelism on one node. A part of 1, such as 0.5: engines share a GPU, and its memory. -1: 1
    where this machine, or a cluster that is joined, has a GPU, else 0."""
    cpus_per_engine: int = at_least(0, 0)
    """Threads of an engine on CPU; 0: as many cores of one node as each engine can have to itself."""
    max_num_seqs: int = at_least(1, 64)
    """Samples in the batch at a time."""
    max_num_batched_tokens: int = at_least(1, 4096)
    """Prompt tokens that one step of an engine computes."""
    kv_cache_bytes: int = at_least(1, 2 * 2**30)
    """KV cache on CPU."""
    warm_prefixes: int = at_least(0, 0)
    """Prefixes that an engine is taken to keep in its cache, when work is routed; 0: what the cache says it holds."""
    engine_args: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `vllm.LLM`; they win over all others, so they are part of what is made."""

    # When rows are committed, and when an engine or a run ends.
    part_rows: int = at_least(1, 256)
    """An engine commits its open part after this many rows ..."""
    part_seconds: float = placement(30.0)
    """... or this many seconds."""
    max_engine_deaths: int = at_least(0, 3)
    """Engines may die this often in a row, one after the other with no sample committed in between."""
    max_step_seconds: float = at_least(1, 300.0)
    """An engine that finishes no step within this time is replaced; its first step may take five times as long."""
    max_seconds: float = at_least(0, 0.0)
    """Seconds of generation, summed over rounds, after which a run ends in good order (exit code 3); 0: no limit."""

    def __post_init__(self) -> None:
        """Refuses values that no engine takes."""
        self.check(vars(self), lambda _: GROUP)

    @classmethod
    def check(cls, values: Mapping[str, Any], where: Callable[[str], str]) -> None:
        """Refuses values that no engine takes.

        Args:
            values: of all settings, by name.
            where: gives for the name of a setting the key that it stands under, for messages.

        Raises:
            UserError: a value is out of range, or values contradict each other.
        """
        for name in RANGES:
            check_sampling({name: values[name]}, where(name))
        for setting in dataclasses.fields(cls):
            name, value, least = setting.name, values[setting.name], setting.metadata.get("at_least")
            check_setting(least is None or value >= least, f"{where(name)}.{name}", value, f"{least} or more")
        precision = f"{where('precision')}.precision"
        known, words = values["precision"] in PRECISIONS, f"one of {', '.join(PRECISIONS)}"
        check_setting(known, precision, values["precision"], words, fault="is unknown")
        gpus, seconds = values["gpus_per_engine"], values["part_seconds"]
        gpus_key = f"{where('gpus_per_engine')}.gpus_per_engine"
        cls._check_gpus(gpus, values["engine_args"], gpus_key, f"{where('engine_args')}.engine_args")
        check_setting(seconds > 0, f"{where('part_seconds')}.part_seconds", seconds, "more than 0")
        if values["engine_args"].get("trust_remote_code"):
            raise UserError(
                "would run code that comes with a model",
                where=f"{where('engine_args')}.engine_args.trust_remote_code",
                remedy="leave it out, and name a model that vLLM knows without code of its own",
            )
        if "seed" in values["engine_args"]:
            raise UserError(
                f"the seed {values['engine_args']['seed']} would give all engines the same draws",
                where=f"{where('engine_args')}.engine_args.seed",
                remedy="set `seed` of the run: that of each engine is made from it",
            )
        if values["max_tokens"] >= values["context_tokens"]:
            output, context = f"{where('max_tokens')}.max_tokens", f"{where('context_tokens')}.context_tokens"
            raise UserError(
                f"{values['max_tokens']} output tokens do not fit a context of {values['context_tokens']}",
                where=output,
                remedy=f"lower {output} or raise {context}",
            )

    @classmethod
    def _check_gpus(cls, gpus: float, arguments: Mapping[str, Any], key: str, arguments_key: str) -> None:
        """Refuses what no GPU can be shared by: 1.5 of them, a part over several, a part that takes more memory."""
        check_setting(gpus == -1 or gpus >= 0, key, gpus, "0 or more, or -1 for as many as fit")
        is_part = 0 < gpus < 1
        check_setting(is_part or float(gpus).is_integer(), key, gpus, "a part of one GPU, or a whole number of them")
        if not is_part:
            return
        for name in ("tensor_parallel_size", "pipeline_parallel_size"):
            if (parallel := arguments.get(name, 1)) != 1:
                what, remedy = f"{parallel} GPUs are wanted of an engine that has {gpus:g} of one", f"leave {name} out"
                raise UserError(what, where=f"{arguments_key}.{name}={parallel}", remedy=f"{remedy}, or set {key}")
        if (share := arguments.get("gpu_memory_utilization", 0)) > gpus:
            what = f"takes more of a GPU's memory than {key}={gpus:g} leaves each engine"
            remedy = f"set it to {gpus:g} at most, or leave it out"
            raise UserError(what, where=f"{arguments_key}.gpu_memory_utilization={share}", remedy=remedy)

    def identity(self) -> dict[str, object]:
        """Returns what decides the text of samples: weights in place of their names, and the code that writes."""
        return self._weights_and_sampling(GROUP) | {"written_by": written_by()}

    def _weights_and_sampling(self, where: str) -> dict[str, object]:
        """Returns the config with the content of models and adapters in place of their names, but for fake ones.

        Args:
            where: the key that the name of the model stands under, for messages.
        """
        is_fake = self.generator is GeneratorKind.fake
        mix = {
            name: config._weights_and_sampling(_origin(self.mix[name], f"{GROUP}.mix.{name}")("model"))
            | {"share": self.mix[name]["share"]}
            for name, config in generator_configs(self).items()
        }
        further = {name: replace(config, models={}) for name, config in model_configs(self).items() if name}
        models = {
            name: config._weights_and_sampling(_origin(self.models[name], f"{GROUP}.models.{name}")("model"))
            for name, config in further.items()
        }
        return fields_of(self, without=["instruct"]) | {  # the plan holds what follows of it
            "model": "fake" if is_fake else model_digest(self.model, key=f"{where}.model"),
            "lora": "" if is_fake else adapter_digest(self.lora),
            "mix": mix,
            "models": models,
            "engine_args": without_secrets(self.engine_args),  # a token decides who may fetch a model, not what it is
        }

    def engines_key(self) -> str:
        """Hashes all that engines are started with into 16 hex digits: configs with the same key can share engines."""
        names = [setting.name for setting in dataclasses.fields(GeneratorConfig)]
        return digest({name: identity_of(getattr(self, name)) for name in names})

    def model_name(self) -> str:
        """Returns the name of the model, as a sample's row has it."""
        if self.generator is GeneratorKind.fake:
            return "fake"
        return f"{self.model}+{self.lora}" if self.lora else self.model

    def gpus(self) -> float:
        """Returns the number of GPUs of each engine, or the part of one."""
        return self.gpus_per_engine if self.gpus_per_engine >= 0 else float(has_gpu())


def written_by() -> str:
    """Hashes the code that decides what a generator writes for a row.

    The driver's side of generation stays out (pools, routing, limits): it decides where and when a row is written, but
    for which of several generators writes it.
    """
    modules = ("engine.generation.loop", "engine.generation.load", "engine.generation.shares")
    return digest([source_hash(module) for module in modules])


def has_gpu() -> bool:
    """Tells whether this machine lists an NVIDIA GPU, by the driver's device files: nothing heavy is imported."""
    return Path("/dev/nvidia0").exists()


def model_configs(config: GeneratorConfig) -> dict[str, GeneratorConfig]:
    """Makes the config of every model of an engine, by the name that turns use; the step's own model is "".

    Raises:
        UserError: a setting does not exist, cannot be set for one model, or is of the wrong type.
    """
    further = {
        str(name): with_settings(config, settings, where=f"{GROUP}.models.{name}", allowed=SETTINGS_PER_MODEL)
        for name, settings in config.models.items()
    }
    return {"": config, **further}


def generator_configs(config: GeneratorConfig) -> dict[str, GeneratorConfig]:
    """Makes the config of each generator of a mix, by name, in the order in which they work.

    Raises:
        UserError: a share is missing or not above 0, or a setting does not exist or is one of the whole run.
    """
    allowed = {setting.name for setting in dataclasses.fields(GeneratorConfig)} - RUN_WIDE_SETTINGS
    configs = {}
    for name, settings in config.mix.items():
        where = f"{GROUP}.mix.{name}"
        share = settings.get("share") if isinstance(settings, Mapping) else None
        if not isinstance(share, (int, float)) or not 0 < share < float("inf"):
            raise UserError(f"the share is {share!r}", where=where, remedy="write share: 0.5, say; any number above 0")
        others = {key: value for key, value in settings.items() if key != "share"}
        configs[name] = with_settings(replace(config, mix={}), others, where=where, allowed=allowed)
    return configs


Settings = TypeVar("Settings", bound=GeneratorConfig)
"""The class of a generator's config, which the configs of models that are asked beside it are of as well."""


def with_settings(config: Settings, settings: object, *, where: str, allowed: AbstractSet[str]) -> Settings:
    """Makes the config of one of several models: `config`, and over it the settings of that model.

    Args:
        config: gives what the model does not set for itself.
        settings: from a mapping that is free to the config schema, so its values are held against the fields here.
        where: the key that the mapping stands under.
        allowed: names of the settings that it may have.

    Raises:
        UserError: a setting does not exist, may not be set here, is of the wrong type, or out of range.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"{settings!r} is no mapping", where=where, remedy="write its settings, as in {model: ...}")
    if wrong := sorted(map(str, settings.keys() - allowed)):
        raise UserError(f"{wrong[0]!r} is no setting of one model", where=where, remedy=suggest(wrong[0], allowed))
    for name, value in settings.items():
        default = getattr(config, name)
        kinds = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, kinds) or isinstance(value, bool) is not isinstance(default, bool):
            remedy = f"write a value such as {default!r}"
            raise UserError(f"{value!r} is of the wrong type", where=f"{where}.{name}", remedy=remedy)
    config.check({**vars(config), **settings}, _origin(settings, where))
    return replace(config, **settings)


def _origin(settings: Mapping[str, Any], where: str) -> Callable[[str], str]:
    """Makes a function that gives for a setting the key that its value stands under: `where` for those set there."""
    return lambda name: where if name in settings else GROUP
