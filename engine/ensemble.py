"""Several models in one engine: a turn of a task may name the model that answers it, such as a judge.

    samples.models='{judge: {model: Qwen/Qwen3-8B, temperature: 0.0}}'      # in the task: turns.verdict.model: judge

In: a SamplesConfig with further models. Out: a config for each, and a generator that hands every request to the model
that its turn names. All of them are loaded by the same actor and take steps in turn, so a sample's turns never leave
their engine and no turn waits for those of other samples. Their weights must fit beside each other; on GPU each model
gets an equal share of the memory unless `engine_args` say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.errors import UserError, suggest
from engine.samples import SamplesConfig, with_settings
from engine.sampling import RANGES
from engine.task import TaskConfig, resolve_turns

if TYPE_CHECKING:
    from engine.generators import Finished, Generator, Request

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
        str(name): with_settings(config, settings, place=f"samples.models.{name}", allowed=OWN)
        for name, settings in config.models.items()
    }
    return {"": config, **named}


def check_models(task: TaskConfig, config: SamplesConfig) -> None:
    """Holds the models that turns name against those that there are.

    Raises:
        UserError: a turn names one that does not exist, or there is one that no turn names.
    """
    known = model_configs(config)
    turns = resolve_turns(task)
    for turn in turns.values():
        if turn.config.model not in known:
            remedy = suggest(turn.config.model, config.models) if config.models else "add it to samples.models"
            raise UserError(f"there is no model {turn.config.model!r}", place=f"{turn.place}.model", remedy=remedy)
    if unused := known.keys() - {turn.config.model for turn in turns.values()} - {""}:
        name = min(unused)
        remedy = f"write `model: {name}` in a turn of the task, or leave it out; for shares of samples use samples.mix"
        raise UserError(f"no turn names the model {name!r}", place=f"samples.models.{name}", remedy=remedy)


class Ensemble:
    """Several generators behind the interface of one.

    Args:
        generators: by the name that requests carry; "" is the main one.
    """

    def __init__(self, generators: Mapping[str, Generator]) -> None:
        self._generators = generators
        self.cache_tokens: int = getattr(generators[""], "cache_tokens", 0)
        """Of the main model's cache: demonstrations are in its prompts."""

    def add(self, request: Request) -> str:
        """Admits a request to the model that it names; see Generator."""
        return self._generators[request.model].add(request)

    def step(self) -> list[Finished]:
        """Advances every batch that has work by one step."""
        busy = [generator for generator in self._generators.values() if generator.num_unfinished()]
        return [finished for generator in busy for finished in generator.step()]

    def num_unfinished(self) -> int:
        """Requests admitted and not finished."""
        return sum(generator.num_unfinished() for generator in self._generators.values())

    def counters(self) -> dict[str, int]:
        """Sums of the generators' counters."""
        sums: dict[str, int] = {}
        for generator in self._generators.values():
            for name, value in generator.counters().items():
                sums[name] = sums.get(name, 0) + value
        return sums
