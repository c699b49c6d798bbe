"""The other side of the generation benchmarks: plain `vllm.LLM.generate`, as a script without synthmill would call it.

In: the config of a run, and prompts. Out: how long `generate` took, the engine's own counters, how long the engine took
to load. Nothing but `generate` itself is inside the clock: prompts are rendered before it, texts are read after it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.artifacts.prompts import PlannedRow
    from engine.pipeline.config import RunConfig
    from engine.task.config import TaskConfig

MEMORY_SHARE = 0.5
"""Of the machine's memory, for an engine that is given no cache size. vLLM's 0.92 does not start where anything else
runs, and a cache of half the memory holds every prompt of these benchmarks many times."""


@dataclass(frozen=True)
class Prompt:
    """One request: a rendered prompt, asked `n` times."""

    text: str
    n: int = 1
    max_tokens: int = 0
    """What is written for it at most; 0: what the config says."""


@dataclass(frozen=True)
class Chunks:
    """How a script calls `generate` that writes down what it has every so many rows."""

    rows: int
    folder: Path

    def write(self, start: int, texts: Sequence[str]) -> None:
        """Writes one chunk, whole or not at all."""
        file = self.folder / f"chunk-{start:09}.json"
        with file.with_suffix(".tmp").open("w", encoding="utf-8") as stream:
            json.dump(texts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        file.with_suffix(".tmp").rename(file)


def num_threads(config: RunConfig) -> int:
    """Threads of the one engine that a run has on CPU."""
    assert config.samples.num_engines in (0, 1), "one engine is compared with one engine"
    return config.samples.cpus_per_engine or config.cluster.cpus_here()


def environment(config: RunConfig) -> dict[str, str]:
    """Environment of a process with the samples step's engine in it."""
    from engine.generation.vllm_generator import engine_environment
    from engine.runtime.cluster import QUIET_ENVIRONMENT

    return QUIET_ENVIRONMENT | engine_environment(config.samples, num_threads(config))


def default_environment() -> dict[str, str]:
    """Environment of vLLM as it comes: nothing but telemetry is set."""
    from engine.runtime.cluster import QUIET_ENVIRONMENT

    return dict(QUIET_ENVIRONMENT)


def planned_prompts(run: Path) -> list[Prompt]:
    """The prompts that a run's samples step asks: by prefix, and within one by `sample_id`; replicates asked as one."""
    from engine.artifacts.prompts import PromptsFolder
    from engine.task.render import CompletionRenderer

    renderer = PromptsFolder(run / "prompts").prompts().compile().first
    assert isinstance(renderer, CompletionRenderer), "both sides complete the same text"
    prompts: dict[tuple[int, str, str], Prompt] = {}
    for row in sorted(planned(run), key=lambda row: (row.prefix, row.sample_id)):
        key = row.prefix, row.passage_id, row.cell
        if key in prompts:
            prompts[key] = Prompt(prompts[key].text, prompts[key].n + 1)
        else:
            prompts[key] = Prompt(renderer.prompt(row.ask()))
    return list(prompts.values())


def planned(run: Path) -> list[PlannedRow]:
    """All planned samples of a run with their passages, by `sample_id`."""
    from engine.artifacts.documents import DocumentsFolder
    from engine.artifacts.prompts import PromptsFolder, planned_row

    texts = DocumentsFolder(run / "documents").passages(["passage_id", "title", "text"])
    passages = {passage["passage_id"]: passage for passage in texts.to_pylist()}
    rows = PromptsFolder(run / "prompts").plan().to_pylist()
    return [planned_row(row, passages[row["passage_id"]]) for row in rows]


def llm_arguments(config: RunConfig, *, as_it_comes: bool) -> dict[str, Any]:
    """Arguments of `vllm.LLM` beside the model: the samples step's, or only what it takes to start."""
    from engine.generation.vllm_generator import engine_arguments

    if not as_it_comes:
        return engine_arguments(config.samples, config.seed)
    on_cpu = {"gpu_memory_utilization": MEMORY_SHARE}
    return {"max_model_len": config.samples.context_tokens} | ({} if config.samples.gpus() else on_cpu)


def sampling_arguments(config: RunConfig, task: TaskConfig, n: int = 1) -> dict[str, Any]:
    """Arguments of `vllm.SamplingParams` that the samples step uses."""
    from engine.task.sampling import RANGES

    return {
        "n": n,
        **{name: getattr(config.samples, name) for name in RANGES},
        "stop": list(task.stop) or None,
        "logprobs": 0 if config.samples.logprobs else None,
    }


def generate_plain(
    config: RunConfig, prompts: Sequence[Prompt], *, as_it_comes: bool = False, chunks: Chunks | None = None
) -> dict[str, Any]:
    """Generates with `vllm.LLM`; the process's environment has been set by whoever started it.

    Args:
        config: model, sampling, and (unless `as_it_comes`) engine arguments.
        prompts: in the order in which they are asked.
        as_it_comes: give `vllm.LLM` the model and its longest context only, and what it needs to start.
        chunks: call `generate` once for each chunk, and write it down, so that a script can go on after a kill.

    Returns:
        samples, seconds, when the first was asked for (`began`, seconds of the epoch), hit_rate, output_tokens,
        start_seconds, and for each sample its `texts` and the `hashes` of its prompt.
    """
    from engine.generation.generator import prompt_hash
    from engine.models.resolve import resolve_model

    samples = config.samples
    model = str(resolve_model(samples.model, key="samples.model"))
    arguments = llm_arguments(config, as_it_comes=as_it_comes)
    started = time.monotonic()
    from vllm import LLM, SamplingParams

    llm = LLM(model=model, **arguments)
    start_seconds = time.monotonic() - started

    texts = [prompt.text for prompt in prompts]
    params = [SamplingParams(**_sampling_of(config, prompt)) for prompt in prompts]
    size = chunks.rows if chunks else len(texts)
    began_at, began = time.time(), time.monotonic()
    outputs = []
    for start in range(0, len(texts), size):
        chunk = llm.generate(texts[start : start + size], params[start : start + size], use_tqdm=False)
        if chunks:
            chunks.write(start, [completion.text for output in chunk for completion in output.outputs])
        outputs += chunk
    seconds = time.monotonic() - began
    written = [(output, completion) for output in outputs for completion in output.outputs]
    return {
        "samples": len(written),
        "began": began_at,
        "seconds": seconds,
        "hit_rate": _cached_share(outputs) if as_it_comes else _counted_hit_rate(llm),
        "output_tokens": sum(len(completion.token_ids) for _, completion in written),
        "start_seconds": start_seconds,
        "texts": [completion.text for _, completion in written],
        "hashes": [prompt_hash(output.prompt) for output, _ in written],
    }


def _sampling_of(config: RunConfig, prompt: Prompt) -> dict[str, Any]:
    longest = {"max_tokens": prompt.max_tokens} if prompt.max_tokens else {}
    return sampling_arguments(config, config.task, prompt.n) | longest


def _counted_hit_rate(llm: Any) -> float:
    from engine.generation.totals import EngineTotals, hit_rate

    counted = {metric.name.removeprefix("vllm:"): metric.value for metric in llm.get_metrics() if _is_counter(metric)}
    return hit_rate(EngineTotals(counters=counted))


def _is_counter(metric: Any) -> bool:
    return metric.name in {"vllm:prefix_cache_queries", "vllm:prefix_cache_hits"}


def _cached_share(outputs: Sequence[Any]) -> float:
    """The same from the requests: an engine as it comes keeps no counters."""
    total = sum(len(output.prompt_token_ids) for output in outputs)
    return sum(output.num_cached_tokens or 0 for output in outputs) / total if total else 0.0
