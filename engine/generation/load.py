"""Several models in one engine: a turn of a task may name the model that answers it, such as a judge.

    samples.models='{judge: {model: Qwen/Qwen3-8B, temperature: 0.0}}'      # in the task: turns.verdict.model: judge

In: a SamplesConfig with further models. Out: a config for each, and a generator that hands every request to the model
that its turn names. All of them are loaded by the same actor and take steps in turn, so a sample's turns never leave
their engine and no turn waits for those of other samples. Their weights must fit beside each other; on GPU each model
gets an equal share of the memory unless `engine_args` say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.generation.generator import Generator, Weights
from engine.generation.vllm_generator import VllmGenerator
from engine.models.adapter import resolve_adapter
from engine.models.resolve import resolve_model

if TYPE_CHECKING:
    from engine.generation.config import SamplesConfig
    from engine.generation.generator import Finished, Request


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


def find_weights(config: SamplesConfig) -> dict[str, Weights]:
    """The weights of every model of an engine, fetched if need be; none for the fake generator."""
    from engine.generation.config import GeneratorKind, model_configs

    if config.generator is GeneratorKind.fake:
        return {}
    return {
        name: Weights(
            str(resolve_model(own.model, key=f"samples.models.{name}.model" if name else "samples.model")),
            str(resolve_adapter(own.lora)) if own.lora else "",
        )
        for name, own in model_configs(config).items()
    }


def make_generator(config: SamplesConfig, weights: Mapping[str, Weights]) -> Generator:
    """The generator that the config names, with the environment it needs already set.

    Args:
        config: how its models sample, and their limits.
        weights: of `find_weights`.
    """
    from engine.generation.config import GeneratorKind, model_configs
    from engine.generation.fake_generator import FakeGenerator
    from engine.generation.load import Ensemble

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    made: dict[str, Generator] = {}
    for name, own in model_configs(config).items():
        fake = own.generator is GeneratorKind.fake
        made[name] = FakeGenerator(own) if fake else VllmGenerator(own, weights[name])
    return made[""] if len(made) == 1 else Ensemble(made)
