"""Plans samples: which passage each is about, under which conditions, with which demonstrations.

In: passage ids, conditions, demonstration sets, a function that counts a prompt's tokens. Out: the columns of
`columns.PROMPTS` and of the conditions, chunk by chunk and vectorised, so that memory does not grow with the plan (but
for 16 bytes a sample, which tell repeated cells of one passage apart). A planned sample's key is (passage, cell,
replicate, round). Its conditions come from a hash of (run seed, passage, slot, attribute), and its demonstrations from
a hash of the run seed and the key, without the round: never from position, worker, order or clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.prompts.conditions.conditions import Columns, RowKeys
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.conditions.draws import Drawn, drawn_from
from engine.prompts.demonstrations.sets import ShownSets
from engine.text.hashes import Hashes, Integers, earlier_equals, mix, text_hash, text_hashes, uniform
from engine.text.occurrences import Occurrences

CountTokens = Callable[[Integers, Integers, Mapping[str, Drawn]], Integers]
"""(n,) passages, (n,) demonstration sets and the conditions of n rows -> (n,) tokens of their prompts."""

_CHUNK_ROWS = 1 << 16
"""The number of rows that are planned and written at a time."""
_ORDER, _SET, _PREFIX = 0, 1, 2
"""Streams of draws: the order of passages, demonstration sets, and the numbers of prefixes."""


@dataclass(frozen=True)
class Sets:
    """The demonstration sets that rows are drawn from, and the conditions that their prefixes depend on."""

    per_stratum: int
    """Sets for each value of the condition that demonstrations are chosen by."""
    stratum: Sequence[str] = ("",)
    """The values of that condition, in the order of the sets."""
    prefix_names: Sequence[str] = ()
    """The conditions that the start of a prompt mentions."""
    shown: ShownSets | None = None
    """The demonstrations in the sets; None plans without any."""

    def demonstrations(self, set_index: Integers) -> pa.Array:
        """Names the demonstrations that each row shows, as rows of the pool in one text.

        Args:
            set_index: (n,) demonstration sets.

        Returns:
            (n,) strings.
        """
        if self.shown is None or not self.shown.members:
            return pa.array([""] * len(set_index), pa.string())
        return pa.array(self.shown.ids(), pa.string()).take(pa.array(set_index))


@dataclass(frozen=True)
class PlanSize:
    """How many samples are planned, and from which seed."""

    per_passage: int
    """The number of samples for each passage."""
    max_samples: int
    """The most samples in all; 0 is no limit."""
    seed: int
    rounds: int = 1
    """The number of rounds in which they are planned."""

    def total(self, passages: int, round_number: int = 1) -> int:
        """Counts the samples that are planned to the end of a round, where no quota ends the plan.

        Args:
            passages: number of passages.
            round_number: counted from 1.
        """
        all_rounds = passages * self.per_passage
        all_rounds = min(all_rounds, self.max_samples) if self.max_samples else all_rounds
        return -(-all_rounds * round_number // self.rounds)


def plan_samples(
    passage_ids: Sequence[str], drawer: Drawer, sets: Sets, count_tokens: CountTokens, size: PlanSize
) -> Iterator[pa.Table]:
    """Plans samples in chunks of at most 65,536 rows, with `sample_id` counting up from 0.

    Every passage's first sample comes before any second one, passages in the order of a seeded hash, so that
    a larger `max_samples` only adds rows at the end. Where quotas leave no combination free, the plan ends early.

    Args:
        passage_ids: (n,) ids.
        drawer: draws the conditions.
        sets: the demonstration sets.
        count_tokens: forecasts the lengths of prompts.
        size: how many samples, and from which seed.
    """
    hashes = text_hashes(passage_ids)
    order = np.argsort(mix(hashes, size.seed, _ORDER), kind="stable").astype(np.int64)
    total, ids = size.total(len(passage_ids)), pa.array(passage_ids, pa.large_string())
    earlier = Occurrences()
    for start in range(0, total, _CHUNK_ROWS):
        rows = np.arange(start, min(start + _CHUNK_ROWS, total), dtype=np.int64)
        slots, rank = np.divmod(rows, len(passage_ids))
        passages = order[rank]
        drawn, count = drawer.draw(RowKeys(hashes[passages], slots, np.zeros_like(slots), size.seed))
        if count:
            replicates = earlier.count(_cell_keys(hashes[passages[:count]], drawn))
            numbered = _Numbered(rows[:count], passages[:count], replicates, np.zeros(count, np.int64))
            yield _complete(numbered, drawn, hashes, ids, Planning(drawer, sets, count_tokens, size.seed))
        if count < len(rows):
            return


@dataclass(frozen=True)
class Planning:
    """All that a row is completed with once its passage and number are known."""

    drawer: Drawer
    sets: Sets
    count_tokens: CountTokens
    seed: int


@dataclass(frozen=True)
class _Numbered:
    """All that is known of rows before their conditions are drawn; (n,) each."""

    sample_ids: Integers
    passages: Integers
    """Rows of the passages."""
    replicates: Integers
    rounds: Integers
    """Counted from 0."""


class EarlierPlan:
    """What later rows need to know of the plan so far: counts, and no rows.

    Args:
        passage_ids: (n,) ids.
    """

    def __init__(self, passage_ids: Sequence[str]) -> None:
        self.rows = 0
        self.samples_of = np.zeros(len(passage_ids), np.int64)
        """(n,) samples of each passage."""
        self.keys = Occurrences()
        """Of passage and cell."""
        self._row_of = {passage_id: row for row, passage_id in enumerate(passage_ids)}
        self._hashes = text_hashes(passage_ids)

    def add(self, rows: pa.Table, conditions: Sequence[str]) -> None:
        """Counts the next rows of the plan.

        Args:
            rows: of the plan.
            conditions: names of the conditions that they carry.
        """
        passages = np.array([self._row_of[name] for name in rows["passage_id"].to_pylist()], np.int64)
        drawn = {name: drawn_from(rows[f"{CONDITION_PREFIX}{name}"].combine_chunks()) for name in conditions}
        self.rows += rows.num_rows
        self.samples_of += np.bincount(passages, minlength=len(self.samples_of))
        self.keys.count(_cell_keys(self._hashes[passages], drawn))


def plan_more(
    earlier: EarlierPlan, passage_ids: Sequence[str], chosen: Integers, round_number: int, planning: Planning
) -> Iterator[pa.Table]:
    """Plans further samples of chosen passages, whose rows come behind those of an earlier plan.

    Args:
        earlier: the plan so far; the new rows are counted into it.
        passage_ids: (n,) ids.
        chosen: (m,) rows of `passage_ids`, a row for each new sample; a passage may stand there several times.
        round_number: stored on the new rows; counted from 0.
        planning: what the new rows are drawn from.
    """
    hashes, ids = text_hashes(passage_ids), pa.array(passage_ids, pa.large_string())
    all_slots = earlier.samples_of[chosen] + earlier_equals(chosen)
    for start in range(0, len(chosen), _CHUNK_ROWS):
        passages, slots = chosen[start : start + _CHUNK_ROWS], all_slots[start : start + _CHUNK_ROWS]
        drawn, count = planning.drawer.draw(RowKeys(hashes[passages], slots, np.zeros_like(slots), planning.seed))
        if count:
            replicates = earlier.keys.count(_cell_keys(hashes[passages[:count]], drawn))
            sample_ids = np.arange(count, dtype=np.int64) + earlier.rows
            numbered = _Numbered(sample_ids, passages[:count], replicates, np.full(count, round_number, np.int64))
            yield _complete(numbered, drawn, hashes, ids, planning)
            earlier.rows += count
        if count < len(passages):
            return


def _complete(rows: _Numbered, drawn: Columns, hashes: Hashes, ids: pa.Array, planning: Planning) -> pa.Table:
    """Makes rows of the plan.

    Args:
        rows: what is known of them.
        drawn: their conditions.
        hashes: of all passage ids.
        ids: of all passages.
        planning: what the rest is drawn from.
    """
    count, sets = len(rows.sample_ids), planning.sets
    cells = _fold(drawn, list(drawn), count)
    key_hashes = mix(hashes[rows.passages] ^ cells, planning.seed, _SET, rows.replicates)
    set_index = _choose_sets(rows.passages, key_hashes, drawn, sets, planning.drawer)
    tokens = planning.count_tokens(rows.passages, set_index, drawn)
    columns = [rows.sample_ids, ids.take(pa.array(rows.passages)), _cells(drawn, count), rows.replicates, rows.rounds]
    prefix = _prefixes(set_index, drawn, sets)
    return _table([*columns, set_index, prefix, tokens, sets.demonstrations(set_index)], drawn)


def _choose_sets(passages: Integers, hashes: Hashes, drawn: Columns, sets: Sets, drawer: Drawer) -> Integers:
    stratum = np.zeros(len(passages), np.int64)
    if name := drawer.conditions.stratum:
        position = {value: index for index, value in enumerate(sets.stratum)}
        stratum = np.array([position[value] for value in drawn[name].texts.to_pylist()], np.int64)[drawn[name].codes]
    if sets.shown and sets.shown.of_passage is not None:
        nearest: Integers = sets.shown.of_passage[stratum, passages]
        return nearest
    draw = (uniform(hashes) * sets.per_stratum).astype(np.int64)
    return stratum * sets.per_stratum + draw


def _prefixes(set_index: Integers, drawn: Columns, sets: Sets) -> Integers:
    """Numbers the prefixes of rows, (n,): a number for each demonstration set and values that the prefix mentions.

    It is the number of the set where the prefix mentions no condition.
    """
    if not sets.prefix_names:
        return set_index
    values = _fold(drawn, sets.prefix_names, len(set_index))
    return (mix(values, 0, _PREFIX, set_index) >> np.uint64(1)).astype(np.int64)


def _fold(drawn: Columns, names: Sequence[str], count: int) -> Hashes:
    """Hashes the values of some conditions to a number for each row, (n,), whatever the order of the conditions."""
    folded = np.zeros(count, np.uint64)
    for name in names:
        folded ^= mix(drawn[name].row_hashes(), 0, text_hash(name))
    return folded


def _cell_keys(passage_hashes: Hashes, drawn: Columns) -> Hashes:
    """Names passage and cell of rows by a hash, (n,)."""
    return passage_hashes ^ _fold(drawn, list(drawn), len(passage_hashes))


def _cells(drawn: Columns, count: int) -> pa.Array:
    """Joins the conditions of each row to one key, such as `form=question|length=short`, which nobody takes apart."""
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
