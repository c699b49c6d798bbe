"""One more side for the generation benchmark: `ray.data.llm`, Ray's own batch inference, on the same prompts.

In: the config of a run, and prompts. Out: the figures of `_plain.generate_plain`, with a clock of its own: rows carry
the time at which they came out and how long the engine had them, so the first admission is the earliest difference of
the two. The engine starts inside the pipeline and is thereby left out, as on the other sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks._plain import Prompt, num_threads, sampling_arguments

if TYPE_CHECKING:
    from engine.pipeline.config import RunConfig

BATCH_ROWS = 32
CPUS_BESIDE = 4
"""Logical cores for the stages around the engine, as many as the samples step's own Ray has."""


def generate_with_ray_data(config: RunConfig, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Generates through `ray.data.llm`; see `_plain.generate_plain` for what comes back."""
    import time

    import ray
    from ray.data.llm import build_processor

    from engine.generation.generator import prompt_hash

    threads = num_threads(config)
    ray.init(address="local", num_cpus=threads + CPUS_BESIDE, include_dashboard=False, log_to_driver=False)
    params = sampling_arguments(config, config.task) | {"detokenize": True}
    processor = build_processor(
        processor_config(config, threads),
        preprocess=lambda row: {"prompt": row["text"], "sampling_params": params},
        postprocess=lambda row: {**row, "out": time.time()},
    )
    assert all(prompt.n == 1 for prompt in prompts), "ray.data.llm returns one sample per request"
    started = time.time()
    rows = processor(ray.data.from_items([{"text": prompt.text} for prompt in prompts])).take_all()
    admitted = min(row["out"] - row["time_taken_llm"] for row in rows)
    return {
        "samples": len(rows),
        "seconds": max(row["out"] for row in rows) - admitted,
        "hit_rate": float("nan"),  # its rows do not say
        "output_tokens": sum(row["num_generated_tokens"] for row in rows),
        "start_seconds": admitted - started,
        "texts": [row["generated_text"] for row in rows],
        "hashes": [prompt_hash(row["prompt"]) for row in rows],
    }


def processor_config(config: RunConfig, threads: int) -> Any:
    """The engine of the samples step as ray.data.llm spells it; it runs in processes beside the actor."""
    from ray.data.llm import vLLMEngineProcessorConfig

    from engine.generation.vllm_generator import engine_arguments
    from engine.models.resolve import resolve_model

    environment = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
    on_cpu = {"placement_group_config": {"bundles": [{"CPU": threads}]}, "runtime_env": {"env_vars": environment}}
    return vLLMEngineProcessorConfig(
        model_source=str(resolve_model(config.samples.model, key="samples.model")),
        engine_kwargs=engine_arguments(config.samples, config.seed),
        batch_size=BATCH_ROWS,
        concurrency=1,
        log_engine_metrics=False,  # needs ray.serve
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,  # the engine does it: it must see the stop string
        **({} if config.samples.gpus() else on_cpu),
    )
