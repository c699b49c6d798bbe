"""The batch plan: no two rows of a global batch are about the same thing, and nothing else is lost for it."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from engine.text.hashes import Hashes, text_hashes
from training.batches.keys import RowKeys
from training.batches.plan import Rows, fitting_batch_size, plan_batches, plan_epochs, preferred_batch_size


def hashed(names: list[str]) -> Hashes:
    return text_hashes(names)


def make_keys(rows: int, documents: int, queries: int, negatives: int = 0, seed: int = 0) -> RowKeys:
    rng = np.random.default_rng(seed)
    passages = rng.integers(documents * 2, size=rows)  # two passages a document
    others = rng.integers(documents, size=(rows, negatives))
    others += others == passages[:, None] // 2  # never the row's own; one of them is of a document that no row has
    return RowKeys(
        passages=hashed([f"p{value}" for value in passages]),
        documents=hashed([f"d{value // 2}" for value in passages]),
        queries=hashed([f"q{value}" for value in rng.integers(queries, size=rows)]),
        negatives=hashed([f"d{value}" for value in others.ravel()]).reshape(rows, negatives),
    )


def assert_no_conflicts(plan: Rows, keys: RowKeys) -> None:
    for batch in plan:
        for values in (keys.passages, keys.documents, keys.queries):
            in_batch = values[batch]
            assert len(set(in_batch.tolist())) == len(in_batch)
        for row in batch if len(keys.negatives) else ():
            others = {int(keys.documents[other]) for other in batch if other != row}
            assert others.isdisjoint(keys.negatives[row].tolist())


def plain_plan(keys: RowKeys, batch_size: int, seed: int, epoch: int) -> Rows:
    """The definition: each row into the first batch with room that is behind all with its keys, and has no clash."""
    batches: list[list[int]] = []

    def admits(batch: list[int], later: list[list[int]], row: int) -> bool:
        kinds = (keys.passages, keys.documents, keys.queries)
        met = any(kind[other] == kind[row] for other in itertools.chain(batch, *later) for kind in kinds)
        clashes = any(
            keys.documents[row] in keys.negatives[other] or keys.documents[other] in keys.negatives[row]
            for other in batch
        )
        return len(batch) < batch_size and not met and not clashes

    for row in np.random.default_rng([seed, epoch]).permutation(len(keys)).tolist():
        places = [i for i, batch in enumerate(batches) if admits(batch, batches[i + 1 :], row)]
        if not places:
            batches.append([])
        batches[places[0] if places else -1].append(row)
    full = [batch for batch in batches if len(batch) == batch_size]
    return np.array(full, np.int64).reshape(-1, batch_size)


@pytest.mark.parametrize("documents", [12, 60])
@pytest.mark.parametrize("negatives", [0, 2])
def test_batches_are_those_of_the_definition(documents: int, negatives: int) -> None:
    keys = make_keys(150, documents, 130, negatives)
    plan = plan_batches(keys, batch_size=6, world_size=1, seed=2, epoch=1)
    assert np.array_equal(plan, plain_plan(keys, 6, seed=2, epoch=1))
    assert len(plan) > 3


@pytest.mark.parametrize("documents", [40, 200, 5000])
@pytest.mark.parametrize("negatives", [0, 2])
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_no_two_rows_of_a_global_batch_share_anything(documents: int, negatives: int, world_size: int) -> None:
    keys = make_keys(1000, documents, 900, negatives)
    plan = plan_batches(keys, batch_size=16, world_size=world_size, seed=3, epoch=0)
    assert plan.shape[1] == 16
    assert len(plan) > 5
    assert_no_conflicts(plan, keys)


def test_each_row_comes_at_most_once_an_epoch() -> None:
    keys = make_keys(500, 100, 400)
    plan = plan_batches(keys, batch_size=16, world_size=1, seed=3, epoch=0)
    assert len(np.unique(plan)) == plan.size


def test_rows_of_different_documents_lose_less_than_a_batch() -> None:
    names = hashed([str(row) for row in range(1000)])
    plan = plan_batches(RowKeys(names, names, names), batch_size=32, world_size=1, seed=0, epoch=0)
    assert plan.shape == (31, 32)


def test_three_queries_a_document_lose_little() -> None:
    documents = hashed([f"d{row // 3}" for row in range(1500)])
    keys = RowKeys(documents, documents, hashed([f"q{row}" for row in range(1500)]))
    plan = plan_batches(keys, batch_size=32, world_size=1, seed=0, epoch=0)
    assert_no_conflicts(plan, keys)
    assert plan.size >= 1500 - 3 * 32


def test_a_document_with_most_rows_fills_no_batch_alone() -> None:
    documents = hashed(["big"] * 500 + [f"d{row}" for row in range(300)])
    names = hashed([f"q{row}" for row in range(800)])
    keys = RowKeys(names, documents, names)
    plan = plan_batches(keys, batch_size=10, world_size=1, seed=0, epoch=0)
    assert_no_conflicts(plan, keys)
    assert len(plan) == 300 // 9


def test_the_plan_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    keys = make_keys(400, 300, 390)
    plans = {
        (seed, epoch): plan_batches(keys, batch_size=8, world_size=1, seed=seed, epoch=epoch)
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    again = plan_batches(keys, batch_size=8, world_size=4, seed=1, epoch=1)
    assert np.array_equal(plans[1, 1], again)
    assert len({plan.tobytes() for plan in plans.values()}) == 4


def test_epochs_follow_each_other() -> None:
    keys = make_keys(100, 90, 100)
    plan = plan_epochs(keys, batch_size=8, world_size=2, seed=5, epochs=2)
    first = plan_batches(keys, batch_size=8, world_size=2, seed=5, epoch=0)
    second = plan_batches(keys, batch_size=8, world_size=2, seed=5, epoch=1)
    assert np.array_equal(plan, np.concatenate([first, second]))


def test_too_few_rows_give_no_batch() -> None:
    keys = make_keys(5, 5, 5)
    assert plan_batches(keys, batch_size=8, world_size=1, seed=0, epoch=0).shape == (0, 8)


def test_batches_shrink_to_the_distinct_documents() -> None:
    names = hashed([f"q{row}" for row in range(100)])
    keys = RowKeys(names, hashed([f"d{row % 7}" for row in range(100)]), names)
    assert fitting_batch_size(keys, batch_size=32, world_size=1, seed=0) == 7
    assert fitting_batch_size(keys, batch_size=32, world_size=2, seed=0) == 6
    assert fitting_batch_size(keys, batch_size=4, world_size=2, seed=0) == 4


def test_batches_shrink_when_negatives_would_leave_out_most_rows() -> None:
    keys = make_keys(1000, 40, 900, negatives=2)
    size = fitting_batch_size(keys, batch_size=16, world_size=1, seed=0)
    assert 2 <= size < 16
    assert plan_batches(keys, batch_size=size, world_size=1, seed=0, epoch=0).size >= 500


@pytest.mark.parametrize(("rows", "size"), [(10, 16), (100, 20), (163, 32), (640, 128), (1_000_000, 128)])
def test_few_rows_make_five_steps_an_epoch_rather_than_one(rows: int, size: int) -> None:
    assert preferred_batch_size(rows, 128) == size
    assert preferred_batch_size(rows, 8) == 8


def test_one_document_gives_no_batch_at_all() -> None:
    names = hashed(["q1", "q2", "q3"])
    assert fitting_batch_size(RowKeys(names, hashed(["d"] * 3), names), batch_size=32, world_size=1, seed=0) == 0


def test_workers_must_share_a_batch_equally() -> None:
    with pytest.raises(AssertionError, match="3 workers cannot share batches of 8"):
        plan_batches(make_keys(50, 50, 50), batch_size=8, world_size=3, seed=0, epoch=0)


def test_planning_is_linear_in_the_rows() -> None:
    keys = make_keys(100_000, 20_000, 90_000)
    started = time.process_time()
    plan = plan_batches(keys, batch_size=64, world_size=1, seed=0, epoch=0)
    assert plan.size > 95_000
    assert time.process_time() - started < 10  # a second or two; quadratic would be minutes


def test_a_negative_is_no_passage_of_its_batch_under_another_document() -> None:
    """Row 0's negative is said to be of document x, and is word for word the passage of row 1."""
    names, documents = hashed(list("0123")), hashed(list("xyzw")).reshape(4, 1)
    keys = RowKeys(names, names, names, documents, hashed(list("1abc")).reshape(4, 1))
    for epoch in range(10):
        plan = plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=epoch)
        assert {0, 1} not in [set(batch) for batch in plan.tolist()]


def test_nothing_that_may_answer_a_row_is_in_its_batch_as_a_passage_or_as_a_negative() -> None:
    """Row 0 may be answered by document 1, and by a text that is the negative of row 2 and of no row's passage."""
    names, nothing = hashed(list("0123")), np.zeros((4, 1), np.uint64)
    documents, passages, negatives = nothing.copy(), nothing.copy(), hashed(list("abcd")).reshape(4, 1)
    documents[0, 0], passages[0, 0] = names[1], negatives[2, 0]
    keys = RowKeys(names, names, names, negative_passages=negatives, answers=documents, answer_passages=passages)
    met = {
        tuple(sorted(batch))
        for epoch in range(40)
        for batch in plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=epoch).tolist()
    }
    assert met == {(0, 3), (1, 2), (1, 3), (2, 3)}, "all pairs but (0, 1) and (0, 2)"


def test_rows_may_share_a_negative_and_an_answer() -> None:
    names, same = hashed(list("01")), hashed(list("xx")).reshape(2, 1)
    for kind in ("negatives", "negative_passages", "answers", "answer_passages"):
        keys = RowKeys(names, names, names, **{kind: same})
        assert plan_batches(keys, batch_size=2, world_size=1, seed=0, epoch=0).size == 2
