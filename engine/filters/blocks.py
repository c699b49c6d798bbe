"""The chain of row filters as Ray Data: blocks of samples are judged wherever a worker is.

In: where generated samples stand in their parts, and the passages they point to. Out: cleaned queries with their
verdicts, in the order of the parts. A worker reads its block from the part, and its passages from a file that all
workers share; nothing is shuffled. This is all that a worker imports, since on a cold cluster imports take longer than
judging thousands of rows.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.filters.chain import FiltersConfig, filter_batch
from engine.filters.contract import PromptWords
from engine.storage.texts import Numbers, Texts

if TYPE_CHECKING:
    from engine.runtime.place import Place

MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 5_000, 20_000
"""A worker costs more to start than 5,000 rows cost to judge (0.3 s); 20,000 rows are a few megabytes."""


@dataclass(frozen=True)
class RowGroup:
    """A row group of a part, the smallest piece of a Parquet file that can be read."""

    part: Path
    index: int
    rows: int
    """The number of generated samples in it; those that failed are not counted."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The places of generated samples in their parts, and their passages."""

    groups: Sequence[RowGroup]
    sample_ids: Numbers
    """In the order of the groups, (samples,)."""
    passage_rows: Numbers
    """The number of each sample's passage, (samples,)."""
    passage_texts: Path
    """The file with the passages, as encoders read them, for `Texts`; the same path for all workers."""
    judged_before: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    """The ids of those samples that are left out, since their verdicts are known."""

    @functools.cached_property
    def _is_left(self) -> npt.NDArray[np.bool_]:
        return ~np.isin(self.sample_ids, self.judged_before)

    def __len__(self) -> int:
        """Returns the number of samples that are to be judged."""
        return int(np.count_nonzero(self._is_left))

    @property
    def are_few(self) -> bool:
        """Tells whether they are judged sooner than a worker is started."""
        return len(self) <= MIN_BLOCK_ROWS

    def cut(self, block_rows: int) -> Iterator[pa.Table]:
        """Cuts the samples that are to be judged into tables of one row each, which says what one task judges."""
        first = 0
        for group in self.groups:
            left = np.flatnonzero(self._is_left[first : first + group.rows])
            for start in range(0, len(left), block_rows):
                rows = left[start : start + block_rows]
                numbers = [pa.array([each], pa.list_(pa.int64())) for each in (rows, self.passage_rows[first + rows])]
                part = str(group.part.resolve())  # a worker has a working folder of its own
                columns = {"part": [part], "index": [group.index], "rows": numbers[0], "passage_rows": numbers[1]}
                yield pa.table(columns)
            first += group.rows
        assert first == len(self.passage_rows), "a passage for each sample"


def judge_samples(samples: Blocks, prompt: PromptWords, config: FiltersConfig, place: Place) -> Iterator[pa.Table]:
    """Judges every sample by itself, in Ray workers.

    Args:
        samples: at least one.
        prompt: what must not come back.
        config: which filters run, and their thresholds.
        place: starts Ray, and has its engines end where they leave it no CPU.

    Yields:
        The columns that `filter_batch` gives, one row per sample, in the order of `samples`.
    """
    import ray

    num_cores, task_cpus = place.capacity().num_cores, place.room_for_tasks("curation task")
    _quiet_ray_data()
    block_rows = min(MAX_BLOCK_ROWS, max(MIN_BLOCK_ROWS, -(-len(samples) // num_cores)))
    blocks = list(samples.cut(block_rows))
    # Ray's logical CPUs may outnumber the cores, and each worker more is an interpreter more to start.
    workers = ray.data.TaskPoolStrategy(size=min(num_cores, len(blocks)))
    shared = ray.put((str(samples.passage_texts.resolve()), prompt, config))
    # from_arrow would start workers only to ask for the size of each block.
    dataset = ray.data.from_blocks(blocks).map_batches(
        judge_block, fn_args=([shared],), batch_size=None, batch_format="pyarrow", num_cpus=task_cpus, compute=workers
    )
    dataset.context.execution_options.preserve_order = True
    yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow")


def _quiet_ray_data() -> None:
    """Keeps Ray Data's messages and progress bars off the terminal; its log file has them."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":
            handler.setLevel(logging.ERROR)


def judge_block(block: pa.Table, shared: Sequence[Any]) -> pa.Table:
    """Judges one block in a Ray worker; `shared` holds one reference, to passages, prompt words and config."""
    import ray

    passage_texts, prompt, config = ray.get(shared[0])
    return _judge(block, Texts(Path(passage_texts)), prompt, config)


def judge_here(samples: Blocks, prompt: PromptWords, config: FiltersConfig) -> Iterator[pa.Table]:
    """Judges every sample by itself in this process, as `judge_samples` does in others."""
    passages = Texts(samples.passage_texts)
    for block in samples.cut(MAX_BLOCK_ROWS):
        yield _judge(block, passages, prompt, config)


def _judge(block: pa.Table, passages: Texts, prompt: PromptWords, config: FiltersConfig) -> pa.Table:
    part, index = (block[name][0].as_py() for name in ("part", "index"))
    rows, passage_rows = (block[name].combine_chunks().values for name in ("rows", "passage_rows"))
    samples = _read_generated(part, index).take(rows)
    return filter_batch(samples, passages.take(passage_rows).to_pylist(), prompt, config)


def _read_generated(part: str, index: int) -> pa.Table:
    """Reads the generated samples of a row group."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(part, pre_buffer=False) as file:
        table = file.read_row_group(index, ["sample_id", "status", "text", "logprob", "finish_reason"])
    return table.filter(pc.equal(table["status"], "generated"))
