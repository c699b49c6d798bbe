"""What writes text: the seam between the engine loop and vLLM, and the only room that imports vllm.

In: requests, one prompt each, for n samples. Out: finished requests with every sample. A generator is driven by
`add` and `step` from a single thread, so that requests of different work units share one continuous batch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.limits import gpu_share
from engine.lora import adapter_rank, resolve_adapter
from engine.models import resolve_model
from engine.sampling import RANGES
from engine.task import Messages

if TYPE_CHECKING:
    from engine.samples import SamplesConfig
    from engine.sampling import Sampling


@dataclass(frozen=True)
class Request:
    """One prompt, asked `n` times."""

    request_id: str
    prompt: str | Messages
    n: int
    sampling: Sampling
    model: str = ""
    """Which of an engine's models answers (engine/ensemble.py)."""


@dataclass(frozen=True)
class Written:
    """One sample of a finished request."""

    text: str
    output_tokens: int
    logprob: float
    """Mean log-probability per output token; NaN where not asked for."""
    finish_reason: str


@dataclass(frozen=True)
class Finished:
    """A request whose samples are all written."""

    request_id: str
    prompt_tokens: int
    cached_tokens: int
    samples: list[Written]


class Generator(Protocol):
    """A continuous batch of requests."""

    def add(self, request: Request) -> str:
        """Admits a request.

        Returns:
            The hash of the rendered prompt.

        Raises:
            ValueError: this prompt cannot be served (too long, empty, not encodable); others still can.
        """

    def step(self) -> list[Finished]:
        """Advances the batch by one step."""

    def num_unfinished(self) -> int:
        """Requests admitted and not finished."""

    def counters(self) -> dict[str, int]:
        """The generator's own counters; vLLM: `prefix_cache_queries` and `prefix_cache_hits`, in tokens."""


def prompt_hash(text: str) -> str:
    """16 hex digits of a rendered prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def engine_environment(config: SamplesConfig, num_cpus: int) -> dict[str, str]:
    """Environment of an engine's process; read by vLLM and its math libraries before they start.

    On CPU the engine lives in the actor's process: no child can outlive it, and every core computes (vLLM's own
    binding would leave one out).
    """
    if config.gpus():
        return {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(num_cpus),
        "VLLM_CPU_CI_ENV": "0",
    }


class VllmGenerator:
    """vLLM's engine core, driven step by step with the defaults of `vllm.LLM`."""

    def __init__(self, config: SamplesConfig, weights: Weights) -> None:
        from vllm import LLM
        from vllm.exceptions import VLLMValidationError
        from vllm.lora.request import LoRARequest

        self._refusal = VLLMValidationError
        adapter = weights.adapter
        self._llm = LLM(model=weights.model, **lora_arguments(adapter), **engine_arguments(config))
        self._lora = LoRARequest("samples.lora", 1, adapter) if adapter else None
        self._engine = self._llm.llm_engine
        self._config = config
        self._tokenizer = self._llm.get_tokenizer()
        self.cache_tokens = self._engine.vllm_config.cache_config.kv_cache_size_tokens or 0
        """Tokens that the KV cache holds: what decides how many prefixes stay warm."""

    def add(self, request: Request) -> str:
        """Admits a request; see Generator."""
        text = self._text(request.prompt)
        if not text.strip():
            raise ValueError("the prompt is empty")
        try:
            self._engine.add_request(request.request_id, text, self._sampling(request), lora_request=self._lora)
        except self._refusal as error:
            raise ValueError(str(error)) from error
        return prompt_hash(text)

    def _text(self, prompt: str | Messages) -> str:
        if isinstance(prompt, str):
            return prompt
        rendered = self._tokenizer.apply_chat_template(
            prompt, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        assert isinstance(rendered, str), "a chat template renders to one string"
        return rendered

    def _sampling(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        sampling = request.sampling
        return SamplingParams(
            n=request.n,
            **{name: getattr(sampling, name) for name in RANGES},
            stop=list(sampling.stop) or None,
            structured_outputs=StructuredOutputsParams(**sampling.structured) if sampling.structured else None,
            logprobs=0 if self._config.logprobs else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def step(self) -> list[Finished]:
        """Advances the batch by one step."""
        return [_finished(output) for output in self._engine.step() if output.finished]

    def num_unfinished(self) -> int:
        """Requests admitted and not finished."""
        return int(self._engine.get_num_unfinished_requests())

    def counters(self) -> dict[str, int]:
        """The engine's prefix cache counters, in tokens."""
        wanted = {"vllm:prefix_cache_queries": 0, "vllm:prefix_cache_hits": 0}
        for metric in self._llm.get_metrics():
            if metric.name in wanted:
                wanted[metric.name] += int(metric.value)
        return {name.removeprefix("vllm:"): value for name, value in wanted.items()}


def engine_arguments(config: SamplesConfig) -> dict[str, Any]:
    """Arguments of `vllm.LLM`; `samples.engine_args` wins over all of them."""
    arguments: dict[str, Any] = {
        "max_model_len": config.context_tokens,
        "max_num_seqs": config.max_num_seqs,
        "max_num_batched_tokens": config.max_num_batched_tokens,
        "seed": config.seed,
        "disable_log_stats": False,
        "enable_prefix_caching": True,
        "trust_remote_code": False,
    }
    if config.gpus():
        arguments["tensor_parallel_size"] = config.gpus()
        if config.models:
            arguments["gpu_memory_utilization"] = gpu_share(config)
        if config.gpus() > 1:
            arguments["distributed_executor_backend"] = "mp"  # in a placement group vLLM would ask Ray for more GPUs
    else:
        # An explicit cache size and eager mode skip warm-up and compilation, which small CPU jobs never earn back.
        arguments |= {"kv_cache_memory_bytes": config.kv_cache_bytes, "enforce_eager": True}
    return arguments | dict(config.engine_args)


def lora_arguments(adapter: str) -> dict[str, Any]:
    """Arguments of `vllm.LLM` that make room for one adapter; none where there is none."""
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": adapter_rank(Path(adapter))} if adapter else {}


def _finished(output: Any) -> Finished:
    samples = [
        Written(
            text=completion.text,
            output_tokens=len(completion.token_ids),
            logprob=_mean_logprob(completion.cumulative_logprob, len(completion.token_ids)),
            finish_reason=completion.finish_reason or "",
        )
        for completion in output.outputs
    ]
    return Finished(output.request_id, len(output.prompt_token_ids or ()), output.num_cached_tokens or 0, samples)


def _mean_logprob(total: float | None, count: int) -> float:
    return float("nan") if total is None or not count else total / count


@dataclass(frozen=True)
class Weights:
    """Where a model lies."""

    model: str
    """Its folder."""
    adapter: str
    """The folder of its LoRA adapter; empty for none."""


def find_weights(config: SamplesConfig) -> dict[str, Weights]:
    """The weights of every model of an engine, fetched if need be; none for the fake generator."""
    from engine.ensemble import model_configs
    from engine.samples import GeneratorKind

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
    from engine.ensemble import Ensemble, model_configs
    from engine.fake import FakeGenerator
    from engine.samples import GeneratorKind

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    made: dict[str, Generator] = {}
    for name, own in model_configs(config).items():
        fake = own.generator is GeneratorKind.fake
        made[name] = FakeGenerator(own) if fake else VllmGenerator(own, weights[name])
    return made[""] if len(made) == 1 else Ensemble(made)


def hit_rate(counters: Mapping[str, int]) -> float:
    """Share of prompt tokens that the prefix cache answered, by the engine's own counters."""
    queries = counters.get("prefix_cache_queries", 0)
    return counters.get("prefix_cache_hits", 0) / queries if queries else 0.0
