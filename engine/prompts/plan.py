"""The plan: which passage is written about, under which conditions, with which demonstrations; vectorised.

In: passage ids, conditions, demonstration sets, a function that counts a prompt's tokens. Out: columns of
`records.PROMPTS`, chunk by chunk, so that memory does not grow with the plan (but for four bytes a sample, which tell
repeated cells of one passage apart). A planned sample's key is (passage, cell, replicate, round). Its conditions come
from a hash of (run seed, passage, slot, attribute), its demonstrations from one of the key, never from position,
worker, order or clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.prompts.conditions.conditions import Columns, Rows
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.conditions.draws import Drawn
from engine.prompts.demonstrations.sets import ShownSets
from engine.text.hashes import Hashes, Integers, mix, text_hash, text_hashes, uniform

CountTokens = Callable[[Integers, Integers, Mapping[str, Drawn]], Integers]
"""(passages, demonstration sets, conditions), a row each -> tokens of the prompts."""


_CHUNK_ROWS = 1 << 16


_PICK, _SET, _PREFIX = 0, 1, 2  # streams of draws


@dataclass(frozen=True)
class Sets:
    """The demonstration sets, and what makes prompts with the same set start alike."""

    per_stratum: int
    stratum: Sequence[str] = ("",)
    """The values that sets are drawn for, in the order of the sets."""
    prefix_names: Sequence[str] = ()
    """The conditions that the start of a prompt mentions."""
    shown: ShownSets | None = None
    """The sets themselves; None plans without demonstrations."""

    def demonstrations(self, set_index: Integers) -> pa.Array:
        """(n,) ids of the demonstrations that each row shows."""
        if self.shown is None or not self.shown.members:
            return pa.array([""] * len(set_index), pa.string())
        return pa.array(self.shown.ids(), pa.string()).take(pa.array(set_index))


@dataclass(frozen=True)
class PlanSize:
    """How many samples to plan, and from which seed."""

    per_passage: int
    max_samples: int
    seed: int
    rounds: int = 1

    def total(self, passages: int, round_number: int = 1) -> int:
        """The number of samples for so many passages to the end of a round, where no quota ends the plan."""
        whole = passages * self.per_passage
        whole = min(whole, self.max_samples) if self.max_samples else whole
        return -(-whole * round_number // self.rounds)


def plan_samples(
    passage_ids: Sequence[str], drawer: Drawer, sets: Sets, count_tokens: CountTokens, size: PlanSize
) -> Iterator[pa.Table]:
    """Plans samples in chunks of at most 65,536 rows, with `sample_id` counting up from 0.

    Every passage's first sample comes before any second one, passages in the order of a seeded hash, so that
    a larger `max_samples` only adds rows at the end. Where quotas leave no cell free, the plan ends early.

    Args:
        passage_ids: (n,) ids.
        drawer: the conditions.
        sets: the demonstration sets.
        count_tokens: forecasts prompts.
        size: how many.
    """
    hashes = text_hashes(passage_ids)
    order = np.argsort(mix(hashes, size.seed, _PICK), kind="stable").astype(np.int64)
    total, ids = size.total(len(passage_ids)), pa.array(passage_ids, pa.string())
    replicates = _Replicates(total, len(passage_ids))
    for start in range(0, total, _CHUNK_ROWS):
        rows = np.arange(start, min(start + _CHUNK_ROWS, total), dtype=np.int64)
        slots, rank = np.divmod(rows, len(passage_ids))
        passages = order[rank]
        drawn, count = drawer.draw(Rows(hashes[passages], slots, np.zeros_like(slots), size.seed))
        if count:
            replicate = replicates.number(rows[:count], _fold(drawn, list(drawn), count))
            key = _Keys(rows[:count], passages[:count], replicate, np.zeros(count, np.int64))
            yield _complete(key, drawn, hashes, ids, Planning(drawer, sets, count_tokens, size.seed))
        if count < len(rows):
            return


@dataclass(frozen=True)
class Planning:
    """What completes a row whose key is known."""

    drawer: Drawer
    sets: Sets
    count_tokens: CountTokens
    seed: int


@dataclass(frozen=True)
class _Keys:
    """(n,) each."""

    sample_ids: Integers
    passages: Integers
    replicates: Integers
    rounds: Integers


def plan_more(
    earlier: pa.Table, passage_ids: Sequence[str], chosen: Integers, round_number: int, planning: Planning
) -> Iterator[pa.Table]:
    """Plans further samples of chosen passages, behind a plan that there is.

    Args:
        earlier: all rows of the plan so far.
        passage_ids: (n,) ids.
        chosen: (m,) rows of `passage_ids`, one for each new sample; a passage may stand there several times.
        round_number: stored on the new rows.
        planning: the rest.
    """
    hashes, ids = text_hashes(passage_ids), pa.array(passage_ids, pa.string())
    slots = _slots(earlier, ids, chosen)
    drawn, count = planning.drawer.draw(Rows(hashes[chosen], slots, np.zeros_like(slots), planning.seed))
    if not count:
        return
    seen: Counter[tuple[str, str]] = Counter(
        zip(earlier["passage_id"].to_pylist(), earlier["cell"].to_pylist(), strict=True)
    )
    replicates = np.zeros(count, np.int64)
    for row, (passage, cell) in enumerate(zip(chosen[:count].tolist(), _cells(drawn, count).to_pylist(), strict=True)):
        asked = (passage_ids[passage], cell)
        replicates[row] = seen[asked]
        seen[asked] += 1
    sample_ids = np.arange(count, dtype=np.int64) + earlier.num_rows
    key = _Keys(sample_ids, chosen[:count], replicates, np.full(count, round_number, np.int64))
    whole = _complete(key, drawn, hashes, ids, planning)
    for start in range(0, count, _CHUNK_ROWS):
        yield whole.slice(start, _CHUNK_ROWS)


def _slots(earlier: pa.Table, ids: pa.Array, chosen: Integers) -> Integers:
    """(m,) how many samples of its passage are planned before each new one."""
    planned = np.bincount(pc.index_in(earlier["passage_id"], value_set=ids).to_numpy(), minlength=len(ids))
    slots = np.zeros(len(chosen), np.int64)
    for row, passage in enumerate(chosen):
        slots[row] = planned[passage]
        planned[passage] += 1
    return slots


def _complete(key: _Keys, drawn: Columns, hashes: Hashes, ids: pa.Array, planning: Planning) -> pa.Table:
    """Rows of the plan from their keys and conditions."""
    count, sets = len(key.sample_ids), planning.sets
    cells = _fold(drawn, list(drawn), count)
    own = mix(hashes[key.passages] ^ cells, planning.seed, _SET, key.replicates)
    set_index = _choose_sets(key.passages, own, drawn, sets, planning.drawer)
    tokens = planning.count_tokens(key.passages, set_index, drawn)
    columns = [key.sample_ids, ids.take(pa.array(key.passages)), _cells(drawn, count), key.replicates, key.rounds]
    prefix = _prefixes(set_index, drawn, sets)
    return _table([*columns, set_index, prefix, tokens, sets.demonstrations(set_index)], drawn)


class _Replicates:
    """Numbers the samples of one passage and cell: equal keys would otherwise have equal draws.

    Cells are compared by 32 bits of their hashes; where two that differ agree in them, a number is left out.
    """

    def __init__(self, total: int, passages: int) -> None:
        self._seen = np.zeros(total, np.uint32)  # row i is about the same passage as row i - passages
        self._passages = passages

    def number(self, rows: Integers, cells: Hashes) -> Integers:
        """(n,) how many earlier samples have the passage and cell of these rows."""
        own = (cells >> np.uint64(32)).astype(np.uint32)
        self._seen[rows] = own
        found = np.zeros(len(rows), np.int64)
        for back in range(self._passages, int(rows[-1]) + 1, self._passages):
            first = max(0, back - int(rows[0]))
            found[first:] += self._seen[rows[first:] - back] == own[first:]
        return found


def _choose_sets(passages: Integers, hashes: Hashes, drawn: Columns, sets: Sets, drawer: Drawer) -> Integers:
    stratum = np.zeros(len(passages), np.int64)
    if name := drawer.conditions.stratum:
        position = {value: index for index, value in enumerate(sets.stratum)}
        stratum = np.array([position[value] for value in drawn[name].texts.to_pylist()], np.int64)[drawn[name].codes]
    if sets.shown and sets.shown.of_passage is not None:
        own: Integers = sets.shown.of_passage[stratum, passages]
        return own
    draw = (uniform(hashes) * sets.per_stratum).astype(np.int64)
    return stratum * sets.per_stratum + draw


def _prefixes(set_index: Integers, drawn: Columns, sets: Sets) -> Integers:
    """One number per (demonstration set, conditions that the prefix mentions): the set's own where it mentions none."""
    if not sets.prefix_names:
        return set_index
    values = _fold(drawn, sets.prefix_names, len(set_index))
    return (mix(values, 0, _PREFIX, set_index) >> np.uint64(1)).astype(np.int64)


def _fold(drawn: Columns, names: Sequence[str], count: int) -> Hashes:
    """(n,) one hash of the values of some conditions, whatever their order."""
    folded = np.zeros(count, np.uint64)
    for name in names:
        folded ^= mix(drawn[name].row_hashes(), 0, text_hash(name))
    return folded


def _cells(drawn: Columns, count: int) -> pa.Array:
    """The conditions of each row as `task.format_cell` writes them."""
    if not drawn:
        return pa.array([""] * count, pa.string())
    parts = [
        pc.binary_join_element_wise(f"{name}=", column.texts, "").take(pa.array(column.codes))
        for name, column in drawn.items()
    ]
    return pc.binary_join_element_wise(*parts, "|")


def _table(columns: Sequence[npt.NDArray[np.int64] | pa.Array], drawn: Columns) -> pa.Table:
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, PROMPTS, strict=True)]
    fields = [*PROMPTS, *(pa.field(f"{CONDITION_PREFIX}{name}", pa.string()) for name in drawn)]
    return pa.table([*arrays, *(column.column() for column in drawn.values())], schema=pa.schema(fields))
