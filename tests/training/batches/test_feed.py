"""Ray Data to ranks: every rank gets its part of every planned batch, in order, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from training.batches.plan import Rows


def make_plan(steps: int, batch_size: int) -> tuple[Rows, pa.Table]:
    plan = np.random.default_rng(0).permutation(steps * batch_size).reshape(steps, batch_size)
    return plan, pa.table({"query": [f"q{row}" for row in range(plan.size)]})


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("first_step", [0, 700])
def test_ranks_get_their_parts_of_the_plan(ray_session: None, world_size: int, first_step: int) -> None:
    import ray

    from training.batches.feed import SHARD, PlannedShards, plan_dataset, rank_batches

    plan, rows = make_plan(steps=1500, batch_size=8)  # several blocks
    config = PlannedShards(ray.put(rows), 8, 0.25)
    shards = config.configure({SHARD: plan_dataset(plan)}, world_size, worker_handles=None, worker_node_ids=None)
    share = 8 // world_size
    seen: list[set[str]] = []
    for rank, shard in enumerate(shards):
        batches = list(rank_batches(shard[SHARD], share, first_step))
        expected = plan[first_step:, rank * share : (rank + 1) * share]
        assert [batch["query"].to_pylist() for batch in batches] == [[f"q{row}" for row in step] for step in expected]
        seen.append({query for batch in batches for query in batch["query"].to_pylist()})
    assert not set.intersection(*seen) or world_size == 1


def test_a_dictionary_does_not_travel_with_every_block(ray_session: None) -> None:
    import ray

    from training.batches.feed import look_up

    rows = pa.table({"query": ["q0", "q1"], "passage": pa.array(["p", "p"], pa.large_string()).dictionary_encode()})
    block = pa.table({"step": [0, 0], "row": [1, 0]})
    looked_up = look_up(block, [ray.put(rows)], batch_size=2, rank=0, world_size=1)
    assert looked_up.to_pydict() == {"query": ["q1", "q0"], "passage": ["p", "p"], "step": [0, 0]}
    assert looked_up.schema.field("passage").type == pa.large_string()


def test_labels_travel_as_they_are(ray_session: None) -> None:
    import ray

    from training.batches.feed import look_up

    labels = {"score": pa.array([0.5, 1.0], pa.float32()), "labels": [["a"], []]}
    block = pa.table({"step": [0, 0], "row": [1, 0]})
    looked_up = look_up(block, [ray.put(pa.table(labels))], batch_size=2, rank=0, world_size=1)
    assert looked_up.to_pydict() == {"score": [1.0, 0.5], "labels": [[], ["a"]], "step": [0, 0]}
    assert looked_up.schema.field("score").type == pa.float32()


def test_noise_is_the_same_for_any_number_of_workers(ray_session: None) -> None:
    import ray

    from training.batches.feed import look_up
    from training.batches.noise import Noise

    texts = [f"{row} {row} {row} of many words to leave out" for row in range(8)]
    rows, block = [ray.put(pa.table({"text": texts}))], pa.table({"step": np.repeat([5, 6], 4), "row": range(8)})
    whole = look_up(block, rows, batch_size=4, rank=0, world_size=1, noise=Noise(0.6, seed=1))
    assert whole.column_names == ["damaged", "text", "step"]
    assert whole["text"].to_pylist() == texts
    assert all(damaged != text for damaged, text in zip(whole["damaged"].to_pylist(), texts, strict=True))
    parts = [look_up(block, rows, batch_size=4, rank=rank, world_size=2, noise=Noise(0.6, seed=1)) for rank in (0, 1)]
    assert [part["damaged"].to_pylist() for part in parts] == [
        [whole["damaged"][row].as_py() for row in numbers] for numbers in ((0, 1, 4, 5), (2, 3, 6, 7))
    ]


def test_a_stream_out_of_order_is_noticed() -> None:
    from training.batches.feed import rank_batches

    class Shuffled:
        def iter_batches(self, **_: object) -> Iterator[pa.Table]:
            yield pa.table({"step": [1, 1], "query": ["a", "b"]})

    with pytest.raises(AssertionError, match="lost its order"):
        list(rank_batches(Shuffled(), 2, 0))
