"""Loads what an engine writes with: one generator, or several where turns of the task name further models.

    samples.models='{judge: {model: Qwen/Qwen3-8B, temperature: 0.0}}'      # in the task: turns.verdict.model: judge

In: a GeneratorConfig. Out: the folders of its models, and a generator that hands every request to the model that its
turn names, such as a judge. All models are loaded by the same actor and take steps in turn, so a sample's turns never
leave their engine and no turn waits for those of other samples. Their weights must fit beside each other; on GPU each
model gets an equal share of the memory unless `engine_args` say otherwise.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.generation.config import GeneratorKind, model_configs
from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Generator, Weights
from engine.generation.seeds import seed_from
from engine.generation.vllm_generator import VllmGenerator
from engine.models.adapter import resolve_adapter
from engine.models.resolve import resolve_model
from engine.runtime.secrets import redact_logs

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.generation.generator import Finished, Request


class Ensemble:
    """Several generators behind the interface of one.

    Args:
        generators: by the name of the model that requests carry; "" is the main one.
    """

    def __init__(self, generators: Mapping[str, Generator]) -> None:
        self._generators = generators
        self._counted = Counter(prefix_cache_queries=0, prefix_cache_hits=0)
        self.cache_tokens: int = getattr(generators[""], "cache_tokens", 0)
        """Tokens that the cache of the main model holds: demonstrations are in its prompts."""

    @property
    def can_sleep(self) -> bool:
        """Tells whether all models can; see Generator."""
        return all(generator.can_sleep for generator in self._generators.values())

    def sleep(self) -> None:
        """Puts every model to sleep; see Generator."""
        for generator in self._generators.values():
            generator.sleep()

    def wake(self) -> None:
        """Wakes every model; see Generator."""
        for generator in self._generators.values():
            generator.wake()

    def add(self, request: Request) -> str:
        """Admits a request to the model that it names; see Generator."""
        return self._generators[request.model].add(request)

    def step(self) -> list[Finished]:
        """Advances every batch that has work by one step; see Generator."""
        busy = [generator for generator in self._generators.values() if generator.num_unfinished()]
        finished = [each for generator in busy for each in generator.step()]
        for each in finished:
            self._count(each)
        return finished

    def _count(self, finished: Finished) -> None:
        """Counts the tokens of a prompt: of one asked for several samples vLLM does not say how often it was cached."""
        if len(finished.samples) == 1 or any(sample.scores for sample in finished.samples):
            self._counted.update(prefix_cache_queries=finished.prompt_tokens, prefix_cache_hits=finished.cached_tokens)

    def num_unfinished(self) -> int:
        """Returns the number of requests that are admitted and not finished; see Generator."""
        return sum(generator.num_unfinished() for generator in self._generators.values())

    def counters(self) -> dict[str, int]:
        """Returns what the prefix caches of all models did; see Generator.

        It is counted from the requests, since the metrics of vLLM are those of one process and of the model that was
        loaded last.
        """
        return dict(self._counted)


def find_weights(config: GeneratorConfig) -> dict[str, Weights]:
    """Finds the weights of every model of an engine, and fetches them if need be; none for the fake generator.

    Raises:
        UserError: a model or an adapter cannot be found or fetched.
    """
    if config.generator is GeneratorKind.fake:
        return {}
    return {
        name: Weights(
            str(resolve_model(each.model, key=f"samples.models.{name}.model" if name else "samples.model")),
            str(resolve_adapter(each.lora)) if each.lora else "",
        )
        for name, each in model_configs(config).items()
    }


def make_generator(config: GeneratorConfig, weights: Mapping[str, Weights], seed: int) -> Generator:
    """Loads the generator that the config names; the environment that it needs is set already.

    Args:
        config: how its models sample, and their limits.
        weights: of `find_weights`.
        seed: where the random draws of the engine begin; each further model gets one of its own.
    """
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    redact_logs()  # vLLM logs the arguments that it is given
    generators: dict[str, Generator] = {}
    for name, each in model_configs(config).items():
        if each.generator is GeneratorKind.fake:
            generators[name] = FakeGenerator(each)
        else:
            generators[name] = VllmGenerator(each, weights[name], seed_from(seed, name) if name else seed)
    return generators[""] if len(generators) == 1 else Ensemble(generators)
