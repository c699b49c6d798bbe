"""Decides which unit of work an engine does next: one whose prefix is warm, as long as nobody idles. No Ray in it.

In: units (runs of rows that share a prefix) and the engines' requests for work. Out: a unit, or none for now. The
pool uses it on a cluster, and `benchmarks/routing.py` in a simulation, so both follow one policy.

The policy, in the order in which it is tried for an engine that can take work:

1. A prefix that the engine has warm, the one used last first: a prefix is finished before another is begun.
2. Else the prefix with the most rows left per engine that would then work on it. While there are prefixes that no
   engine has begun, one that is begun is shared only when its rows per engine exceed a fair share (all rows left,
   divided by the engines); when there are none, idle engines steal wherever most is left.

Imbalance is bounded twice: no engine idles while a unit waits, and an engine holds a second unit ahead only while more
units wait than there are other engines, so that the last ones go to whoever is free.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from engine.generation.largest import Largest

UNITS_AHEAD = 2
"""Units that an engine holds: one that it works on, and one so that its batch never drains."""
MOST_SMALL_UNITS = 64
"""Units that an engine holds at most where they are smaller than a batch, or nearly done."""


def units_held(num_units: int, num_rows: int, batch: int) -> int:
    """Counts the units that an engine holds: by the batches that their unfinished rows fill, where those are fewer.

    So small units count together, and units of which only a few long answers are left do not keep others waiting.

    Args:
        num_units: units that it holds.
        num_rows: rows of all of them that are not finished.
        batch: samples in its batch at a time.
    """
    return min(num_units, num_rows // batch) if num_units < MOST_SMALL_UNITS else UNITS_AHEAD


class Work(Protocol):
    """What is routed."""

    @property
    def prefix(self) -> int:
        """Returns the prefix that the prompts of the unit share."""

    @property
    def size(self) -> int:
        """Returns the number of rows of the unit."""


W = TypeVar("W", bound=Work)
"""The units of one kind: the pool's, or those of a simulation."""


class WarmPrefixes:
    """The prefixes that an engine's cache holds, the least recently used leaving first, as in vLLM's cache."""

    def __init__(self, capacity: int) -> None:
        assert capacity >= 1, "the prefix that an engine works on is always warm"
        self.capacity = capacity
        self._last_used: collections.OrderedDict[int, int] = collections.OrderedDict()
        """When each was used last, as a number that counts up."""
        self._uses = itertools.count()

    def __contains__(self, prefix: int) -> bool:
        return prefix in self._last_used

    def recent(self) -> list[int]:
        """Returns the warm prefixes, the one used last first."""
        return list(reversed(self._last_used))

    def last_use(self, prefix: int) -> int:
        """Returns a number that is larger for a warm prefix that was used later."""
        return self._last_used[prefix]

    def use(self, prefix: int) -> int | None:
        """Notes that a prefix is computed or read; returns the one that had to leave for it."""
        self._last_used[prefix] = next(self._uses)
        self._last_used.move_to_end(prefix)
        return self._last_used.popitem(last=False)[0] if len(self._last_used) > self.capacity else None


def warm_capacity(cache_tokens: int, batch_tokens: int, prefix_tokens: int) -> int:
    """Prefixes that stay in a KV cache beside the batch that is being computed; at least one.

    Args:
        cache_tokens: tokens that the cache holds.
        batch_tokens: tokens of a full batch, without the prefix that its rows share.
        prefix_tokens: length of a prefix.
    """
    return max(1, (cache_tokens - batch_tokens) // max(1, prefix_tokens))


class Queues(Generic[W]):
    """Units that wait, by prefix, and what each engine has warm. Whatever is asked or noted costs O(log prefixes)."""

    def __init__(self, units: Iterable[W] = ()) -> None:
        self._waiting: dict[int, collections.deque[W]] = {}
        self._rows: dict[int, int] = {}
        """Rows that wait, by prefix."""
        self._engines: dict[int, WarmPrefixes] = {}
        self._ready: dict[int, Largest] = {}
        """By engine: the prefixes that it has warm and that have units waiting, by their last use."""
        self._owners: dict[int, frozenset[int]] = {}
        """By prefix: the engines that have it warm."""
        self._left: dict[int, Largest] = {}
        """By a number of owners: the waiting prefixes that have so many, by their rows."""
        self._units = self._rows_left = 0
        for unit in units:
            self.put(unit)

    def __len__(self) -> int:
        return self._units

    @property
    def num_rows(self) -> int:
        """Returns the rows of all units that wait."""
        return self._rows_left

    @property
    def num_engines(self) -> int:
        """Returns the number of engines that were added and not removed."""
        return len(self._engines)

    def put(self, unit: W) -> None:
        """Adds a unit behind the others of its prefix."""
        prefix = unit.prefix
        if prefix not in self._waiting:
            self._waiting[prefix] = collections.deque()
            for engine in self._owners.get(prefix, ()):
                self._ready[engine].set(prefix, self._engines[engine].last_use(prefix))
        self._waiting[prefix].append(unit)
        self._count(unit, 1)

    def add_engine(self, engine: int, warm_prefixes: int) -> None:
        """Counts an engine in, which will ask for work.

        Args:
            engine: its number.
            warm_prefixes: prefixes that its cache can hold; none is there yet.
        """
        assert engine not in self._engines, f"engine {engine} is known"
        self._engines[engine], self._ready[engine] = WarmPrefixes(warm_prefixes), Largest()

    def has_engine(self, engine: int) -> bool:
        """Tells whether an engine was added and not removed."""
        return engine in self._engines

    def remove_engine(self, engine: int) -> None:
        """Counts an engine out that is gone, and its cache with it."""
        for prefix in self._engines.pop(engine).recent():
            self._disown(prefix, engine)
        del self._ready[engine]

    def take(self, engine: int, in_flight: int = 0) -> W | None:
        """Returns the unit that an engine does next, or None where it should wait.

        Args:
            engine: one that was added.
            in_flight: units that it holds already, as `units_held` counts them.
        """
        if not self._units or in_flight >= UNITS_AHEAD or (in_flight and self._units < len(self._engines)):
            return None
        warm = self._ready[engine].first()
        prefix = self._most_left_per_engine() if warm is None else warm[0]
        self._own(prefix, engine)
        unit = self._waiting[prefix].popleft()
        self._count(unit, -1)
        if not self._waiting[prefix]:
            del self._waiting[prefix]
            for owner in self._owners[prefix]:
                self._ready[owner].remove(prefix)
        return unit

    def owners(self, prefix: int) -> frozenset[int]:
        """Returns the numbers of the engines that have a prefix warm."""
        return self._owners.get(prefix, frozenset())

    def _most_left_per_engine(self) -> int:
        """Returns the prefix with the most rows left per engine that would then work on it, the smallest of equal ones.

        While there are prefixes that no engine has begun, one that is begun is only shared where it has more than a
        fair share of all rows left for each of its engines. Of the prefixes with as many owners, the one with the most
        rows is before the others in both respects, so that only one of each number of owners is looked at.
        """
        fair = self._rows_left / len(self._engines)
        firsts = [(owners, *first) for owners, left in self._left.items() if (first := left.first())]
        open_to_more = [each for each in firsts if not each[0] or each[2] / each[0] > fair]
        _, prefix, _ = max(open_to_more or firsts, key=lambda each: (each[2] / (each[0] + 1), -each[1]))
        return prefix

    def _own(self, prefix: int, engine: int) -> None:
        """Notes that an engine works on a prefix, which is warm from now on, and what had to leave its cache for it."""
        owners = self._owners.get(prefix, frozenset())
        if engine not in owners:
            self._regroup(prefix, owners | {engine})
        if (evicted := self._engines[engine].use(prefix)) is not None:
            self._ready[engine].remove(evicted)
            self._disown(evicted, engine)
        self._ready[engine].set(prefix, self._engines[engine].last_use(prefix))

    def _disown(self, prefix: int, engine: int) -> None:
        self._regroup(prefix, self._owners[prefix] - {engine})

    def _regroup(self, prefix: int, owners: frozenset[int]) -> None:
        """Notes the engines that have a prefix warm."""
        before = len(self._owners.get(prefix, ()))
        if owners:
            self._owners[prefix] = owners
        else:
            self._owners.pop(prefix, None)
        if before != len(owners) and prefix in self._rows:
            self._group(before).remove(prefix)
            self._group(len(owners)).set(prefix, self._rows[prefix])

    def _count(self, unit: W, sign: int) -> None:
        self._units += sign
        self._rows_left += sign * unit.size
        rows = self._rows.get(unit.prefix, 0) + sign * unit.size
        group = self._group(len(self._owners.get(unit.prefix, ())))
        if rows:
            self._rows[unit.prefix] = rows
            group.set(unit.prefix, rows)
        else:
            del self._rows[unit.prefix]
            group.remove(unit.prefix)

    def _group(self, num_owners: int) -> Largest:
        return self._left.setdefault(num_owners, Largest())
