"""Sets of sample ids: as bytes in the footer of a part, and as a bitmap of a whole plan.

In: sorted ids. Out: runs of neighbours (first id, length), compressed; and one bit per planned sample, so that what
is committed of 100 million samples takes 12.5 MB, whichever order they were written in.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
import numpy.typing as npt

from engine.errors import BrokenInvariantError

Ids = npt.NDArray[np.int64]
"""(n,) sample ids."""
Runs = tuple[Ids, Ids]
"""(n,) first ids and (n,) lengths of runs of neighbours, ascending."""

_LONG_RUN_IDS = 64
"""Runs of at least this many ids are set as a slice each, shorter ones id by id in one vectorised operation."""


def runs_of(ids: Ids) -> Runs:
    """Turns sorted distinct ids into runs of neighbours, as few as possible."""
    starts = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 2) != 1)
    return ids[starts], np.diff(starts, append=len(ids)).astype(np.int64)


def ids_of(runs: Runs) -> Ids:
    """Turns runs back into sorted ids: the inverse of `runs_of`."""
    starts, lengths = runs
    before = np.cumsum(lengths) - lengths  # ids in the runs before each
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()), dtype=np.int64)


def pack_ids(ids: Ids) -> bytes:
    """Packs sorted distinct ids into text bytes: for each run the gap to the run before and the length, compressed."""
    starts, lengths = runs_of(ids)
    gaps = starts - np.concatenate([[0], (starts + lengths)[:-1]]).astype(np.int64)[: len(starts)]
    return base64.b64encode(zlib.compress(np.concatenate([gaps, lengths]).astype("<i8").tobytes(), 6))


def unpack_runs(packed: bytes) -> Runs:
    """Returns the runs of the ids that `pack_ids` packed."""
    values = np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="<i8").astype(np.int64)
    gaps, lengths = values[: len(values) // 2], values[len(values) // 2 :]
    return np.cumsum(gaps) + np.cumsum(lengths) - lengths, lengths


_BITS_SET = np.array([number.bit_count() for number in range(256)], np.uint8)
"""How many bits of a byte are set."""


class IdSet:
    """A set of ids from 0 up to but not including `size`, one bit each.

    An id that is added twice, or lies outside, breaks an invariant of committed parts: a BrokenInvariantError.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = np.zeros((size + 7) // 8, np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, ids: Ids) -> None:
        """Adds sorted distinct ids, none of which is in the set."""
        self.add_runs(runs_of(ids))

    def include(self, ids: Ids) -> None:
        """Adds those of sorted distinct ids that are not in the set."""
        self._require_inside(runs_of(ids))
        self.add(ids[~self.contains(ids)])

    def overlaps(self, runs: Runs) -> bool:
        """Tells whether any id of some runs is in the set."""
        self._require_inside(runs)
        return bool(self.contains(ids_of(runs)).any())

    def copy(self) -> IdSet:
        """Returns a set of the same ids."""
        other = IdSet(self.size)
        other._bits, other._count = self._bits.copy(), self._count
        return other

    def pack(self) -> str:
        """Packs the set into text, compressed."""
        return base64.b64encode(zlib.compress(self._bits.tobytes(), 1)).decode()

    @classmethod
    def unpack(cls, size: int, packed: str) -> IdSet:
        """Returns the set that `pack` packed; the empty one for no text."""
        members = cls(size)
        if packed:
            bits = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
            if len(bits) != len(members._bits):
                raise BrokenInvariantError(f"a set of about {8 * len(bits)} ids belongs to no plan of {size}")
            members._bits, members._count = bits.copy(), int(_BITS_SET[bits].sum(dtype=np.int64))
        return members

    def _require_inside(self, runs: Runs) -> None:
        starts, lengths = runs
        if not len(starts):
            return
        last = int(starts[-1] + lengths[-1]) - 1
        if starts[0] < 0:
            raise BrokenInvariantError(f"sample {starts[0]} is committed, and no plan begins below 0")
        if last >= self.size:
            raise BrokenInvariantError(f"sample {last} is committed, and the plan ends at {self.size - 1}")

    def add_runs(self, runs: Runs) -> None:
        """Adds runs of neighbours, ascending, none of whose ids is in the set."""
        self._require_inside(runs)
        starts, lengths = runs
        long = lengths >= _LONG_RUN_IDS
        for start, length in zip(starts[long].tolist(), lengths[long].tolist(), strict=True):
            self._set_run(start, start + length)
        self._set_each(ids_of((starts[~long], lengths[~long])))
        self._count += int(lengths.sum())

    def _set_run(self, start: int, end: int) -> None:
        """Sets [start, end): whole bytes as a slice, what sticks out at both sides id by id."""
        first, last = -(-start // 8), end // 8
        taken = np.flatnonzero(self._bits[first:last])
        if len(taken):
            sample = (first + int(taken[0])) * 8
            raise BrokenInvariantError(f"sample [{sample}] or one beside it is in two committed parts")
        self._bits[first:last] = 0xFF
        self._set_each(np.array([*range(start, first * 8), *range(last * 8, end)], np.int64))

    def _set_each(self, ids: Ids) -> None:
        """Sets sorted distinct ids: those that share a byte are joined first, so that each byte is written once."""
        if not len(ids):
            return
        taken = self.contains(ids)
        if taken.any():
            raise BrokenInvariantError(f"sample {ids[taken][:1]} is in two committed parts")
        byte = ids >> 3
        starts = np.flatnonzero(np.diff(byte, prepend=byte[:1] - 1))
        masks = np.left_shift(1, ids & 7).astype(np.uint8)
        self._bits[byte[starts]] |= np.bitwise_or.reduceat(masks, starts)

    def contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Returns (n,) booleans: whether each of n ids, all below `size`, is in the set."""
        members: npt.NDArray[np.bool_] = (self._bits[ids >> 3] >> (ids & 7).astype(np.uint8) & 1) == 1
        return members

    def count_between(self, first: int, last: int) -> int:
        """Counts the ids from `first` to `last`, both included, that are in the set."""
        bits = np.unpackbits(self._bits[first >> 3 : (last >> 3) + 1], bitorder="little")
        return int(bits[first & 7 : (first & 7) + last - first + 1].sum())
