"""The chain of row filters as Ray Data: blocks of samples are judged wherever a worker is.

In: generated samples and the passages they point to. Out: cleaned queries with their verdicts, in `sample_id` order.
Passages lie in Ray's object store once, and a block carries their row numbers; nothing is shuffled. This is all that
a worker imports, since on a cold cluster imports take longer than judging thousands of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.examples.filters.chain import FiltersConfig, filter_batch
from engine.examples.filters.contract import PromptWords

if TYPE_CHECKING:
    from engine.runtime.place import Place

MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 5_000, 20_000
"""A worker costs more to start than 5,000 rows cost to judge (0.3 s); 20,000 rows are a few megabytes."""


def judge_samples(
    samples: pa.Table, texts: pa.Array, prompt: PromptWords, config: FiltersConfig, place: Place
) -> pa.Table:
    """Judges every sample by itself.

    Args:
        samples: columns sample_id, text, logprob, finish_reason, and passage_row, a row of `texts`; not empty.
        texts: passages as encoders read them.
        prompt: what must not come back.
        config: which filters run, and their thresholds.
        place: starts Ray, and has its engines end where they leave it no CPU.

    Returns:
        The columns that `filter_batch` gives, one row per sample, in `sample_id` order.
    """
    import ray

    num_cores, task_cpus = place.capacity().num_cores, place.room_for_tasks("curation task")
    _quiet_ray_data()
    shared = ray.put((texts, prompt, config))
    needed = samples.select(["sample_id", "text", "logprob", "finish_reason", "passage_row"])
    block_rows = min(MAX_BLOCK_ROWS, max(MIN_BLOCK_ROWS, -(-len(needed) // num_cores)))
    blocks = [needed.slice(start, block_rows) for start in range(0, len(needed), block_rows)]
    # Ray's logical CPUs may outnumber the cores, and each worker more is an interpreter more to start.
    workers = ray.data.TaskPoolStrategy(size=min(num_cores, len(blocks)))
    # from_arrow would start workers only to ask for the size of each block.
    dataset = ray.data.from_blocks(blocks).map_batches(
        judge_batch, fn_args=([shared],), batch_size=None, batch_format="pyarrow", num_cpus=task_cpus, compute=workers
    )
    judged = pa.concat_tables(ray.get(dataset.to_arrow_refs()))
    return judged.sort_by("sample_id").combine_chunks()


def _quiet_ray_data() -> None:
    """Keeps Ray Data's messages and progress bars off the terminal; its log file has them."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":
            handler.setLevel(logging.ERROR)


def judge_batch(samples: pa.Table, shared: Sequence[Any]) -> pa.Table:
    """Judges one block in a Ray worker; `shared` holds one reference, to passages, prompt words and config."""
    import ray

    texts, prompt, config = ray.get(shared[0])
    passages = texts.take(samples["passage_row"].combine_chunks()).to_pylist()
    return filter_batch(samples, passages, prompt, config)
