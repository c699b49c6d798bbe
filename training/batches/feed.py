"""From the batch plan to each rank's stream of rows, through Ray Data.

In: the plan (row numbers, one line per step) and the rows as an Arrow table in Ray's object store. Out: for rank r an
iterator over Arrow tables, one per step, with r's part of the step's batch.

Ray Data's own `streaming_split` hands a block to whichever rank asks first, so it keeps rows together only by chance.
`PlannedShards` gives each rank a stream of its own instead: the plan in step order, cut to the rank's columns, its rows
looked up in Ray tasks while the step before them trains. All epochs are one stream, hence no barrier between them, and
a resumed rank skips what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
from ray.train import DataConfig

from engine.artifacts.forms import TEXT
from training.batches.columns import DAMAGED

if TYPE_CHECKING:
    from training.batches.noise import Noise
    from training.batches.plan import Rows

SHARD = "train"
"""The name of the dataset, which `ray.train.get_dataset_shard` takes."""

_BLOCK_ROWS = 4096


def plan_dataset(plan: Rows) -> Any:
    """Returns the plan as a Ray Dataset with the columns `step` and `row`; a block never cuts a step in two."""
    steps, batch_size = plan.shape
    steps_per_block = max(1, _BLOCK_ROWS // batch_size)
    blocks = []
    for start in range(0, steps, steps_per_block):
        part = plan[start : start + steps_per_block]
        numbers = np.repeat(np.arange(start, start + len(part)), batch_size)
        blocks.append(pa.table({"step": numbers, "row": part.reshape(-1)}))
    return ray.data.from_blocks(blocks)  # from_arrow would ask for a whole CPU to look at each block


class PlannedShards(DataConfig):
    """Gives rank r the columns [r * share, (r + 1) * share) of every planned batch.

    Args:
        rows: a reference to the Arrow table that the plan's row numbers point into.
        batch_size: the rows of a global batch.
        task_cpus: what a task that looks rows up asks for; the workers that wait for it have left so much.
        noise: what damages texts before they are trained on; None leaves them alone.
    """

    def __init__(self, rows: Any, batch_size: int, task_cpus: float, noise: Noise | None = None) -> None:
        super().__init__(datasets_to_split="all")
        self._rows = rows
        self._batch_size = batch_size
        self._task_cpus = task_cpus
        self._noise = noise

    def configure(self, datasets: dict[str, Any], world_size: int, **_: Any) -> list[dict[str, Any]]:
        """Returns one iterator per rank; Ray Train calls this whenever a worker group starts."""
        return [
            {name: self._stream(dataset, rank, world_size).iterator() for name, dataset in datasets.items()}
            for rank in range(world_size)
        ]

    def _stream(self, dataset: Any, rank: int, world_size: int) -> Any:
        stream = dataset.map_batches(
            look_up,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=self._task_cpus,
            fn_kwargs={
                # In a list Ray passes the reference on as it is, and each task reads the table from shared memory.
                "rows": [self._rows],
                "batch_size": self._batch_size,
                "rank": rank,
                "world_size": world_size,
                "noise": self._noise,
            },
        )
        stream.context.execution_options.preserve_order = True
        return stream


def look_up(
    block: pa.Table, rows: list[Any], batch_size: int, rank: int, world_size: int, *, noise: Noise | None = None
) -> pa.Table:
    """Cuts a block of the plan to the part of one rank and replaces row numbers by the rows.

    Args:
        block: columns `step` and `row`, whole batches.
        rows: a list of one reference, to the table that `row` points into: texts, dictionaries of texts, and labels.
        batch_size: the rows of a global batch.
        rank: the worker.
        world_size: the number of workers.
        noise: what damages the column `text`; None leaves it alone.

    Returns:
        the columns of the rows, `damaged` before them where there is noise, and `step`.
    """
    plan = block.take(pa.array(_positions(block.num_rows, batch_size, rank, world_size)))
    taken = ray.get(rows[0]).take(plan["row"])
    columns = {name: _plain(taken[name]) for name in taken.column_names}
    if noise:
        numbers, steps = plan["row"].to_numpy(), plan["step"].to_numpy()
        damaged = noise.damage(columns[TEXT].to_pylist(), numbers, steps)
        columns = {DAMAGED: pa.array(damaged, pa.large_string()), **columns}
    return pa.table({**columns, "step": plan["step"]})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column of texts as large strings, since a dictionary would travel whole with each block."""
    is_text = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
    return column.cast(pa.large_string()) if is_text else column


def _positions(num_rows: int, batch_size: int, rank: int, world_size: int) -> Rows:
    """The positions within a block that are of one rank."""
    assert num_rows % batch_size == 0, f"a block of {num_rows} rows cuts a batch of {batch_size}"
    share = batch_size // world_size
    positions = np.arange(num_rows, dtype=np.int64).reshape(-1, batch_size)
    return positions[:, rank * share : (rank + 1) * share].reshape(-1)


def rank_batches(shard: Any, share: int, first_step: int) -> Iterator[pa.Table]:
    """Yields a rank's batches from `first_step` on, in step order, without the `step` column.

    Args:
        shard: what `ray.train.get_dataset_shard` returned.
        share: the rows of a batch on one rank.
        first_step: the number of steps that a checkpoint holds already.
    """
    batches = shard.iter_batches(batch_size=share, batch_format="pyarrow", prefetch_batches=2)
    for number, batch in enumerate(batches):
        steps = batch["step"].unique().to_pylist()
        assert steps == [number], f"batch {number} has rows of steps {steps}: the stream lost its order"
        assert batch.num_rows == share, f"batch {number} has {batch.num_rows} rows instead of {share}"
        if number >= first_step:
            yield batch.drop_columns(["step"])
