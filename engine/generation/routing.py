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
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

UNITS_AHEAD = 2
"""Units that an engine holds at most: one that it works on, and one so that its batch never drains."""
MOST_SMALL_UNITS = 64
"""Units that an engine holds at most where they are smaller than a batch."""


def units_held(sizes: Sequence[int], batch: int) -> int:
    """Counts the units that an engine holds: small ones count together, by the batches that their rows fill.

    Args:
        sizes: rows of each unit that it holds.
        batch: samples in its batch at a time.
    """
    return min(len(sizes), sum(sizes) // batch) if len(sizes) < MOST_SMALL_UNITS else UNITS_AHEAD


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
        self._last_used: collections.OrderedDict[int, None] = collections.OrderedDict()

    def __contains__(self, prefix: int) -> bool:
        return prefix in self._last_used

    def recent(self) -> list[int]:
        """Returns the warm prefixes, the one used last first."""
        return list(reversed(self._last_used))

    def use(self, prefix: int) -> int | None:
        """Notes that a prefix is computed or read; returns the one that had to leave for it."""
        self._last_used[prefix] = None
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
    """Units that wait, by prefix, and what each engine has warm."""

    def __init__(self, units: Iterable[W] = ()) -> None:
        self._waiting: dict[int, collections.deque[W]] = {}
        self._rows: dict[int, int] = {}
        self._engines: dict[int, WarmPrefixes] = {}
        self._owners: dict[int, set[int]] = {}
        self._units = self._rows_left = 0
        for unit in units:
            self.put(unit)

    def __len__(self) -> int:
        return self._units

    def put(self, unit: W) -> None:
        """Adds a unit behind the others of its prefix."""
        self._waiting.setdefault(unit.prefix, collections.deque()).append(unit)
        self._count(unit, 1)

    def add_engine(self, engine: int, warm_prefixes: int) -> None:
        """Counts an engine in, which will ask for work.

        Args:
            engine: its number.
            warm_prefixes: prefixes that its cache can hold; none is there yet.
        """
        assert engine not in self._engines, f"engine {engine} is known"
        self._engines[engine] = WarmPrefixes(warm_prefixes)

    def has_engine(self, engine: int) -> bool:
        """Tells whether an engine was added and not removed."""
        return engine in self._engines

    def remove_engine(self, engine: int) -> None:
        """Counts an engine out that is gone, and its cache with it."""
        for prefix in self._engines.pop(engine).recent():
            self._disown(prefix, engine)

    def take(self, engine: int, in_flight: int = 0) -> W | None:
        """Returns the unit that an engine does next, or None where it should wait.

        Args:
            engine: one that was added.
            in_flight: units that it holds already, as `units_held` counts them.
        """
        if not self._units or in_flight >= UNITS_AHEAD or (in_flight and self._units < len(self._engines)):
            return None
        cache = self._engines[engine]
        warm = next((prefix for prefix in cache.recent() if prefix in self._waiting), None)
        prefix = self._most_left_per_engine() if warm is None else warm
        self._owners.setdefault(prefix, set()).add(engine)
        if (evicted := cache.use(prefix)) is not None:
            self._disown(evicted, engine)
        unit = self._waiting[prefix].popleft()
        if not self._waiting[prefix]:
            del self._waiting[prefix]
        self._count(unit, -1)
        return unit

    def owners(self, prefix: int) -> frozenset[int]:
        """Returns the numbers of the engines that have a prefix warm."""
        return frozenset(self._owners.get(prefix, ()))

    def _most_left_per_engine(self) -> int:
        """Returns the prefix with the most rows left per engine that would then work on it, the smallest of equal ones.

        While there are prefixes that no engine has begun, one that is begun is only shared where it has more than a
        fair share of all rows left for each of its engines.
        """
        fair = self._rows_left / len(self._engines)
        begun = {prefix: len(self._owners.get(prefix, ())) for prefix in self._waiting}
        open_to_more = [prefix for prefix, owners in begun.items() if not owners or self._rows[prefix] / owners > fair]
        candidates = open_to_more or list(begun)
        return max(candidates, key=lambda prefix: (self._rows[prefix] / (begun[prefix] + 1), -prefix))

    def _disown(self, prefix: int, engine: int) -> None:
        self._owners[prefix].discard(engine)
        if not self._owners[prefix]:
            del self._owners[prefix]

    def _count(self, unit: W, sign: int) -> None:
        self._units += sign
        self._rows_left += sign * unit.size
        rows = self._rows.get(unit.prefix, 0) + sign * unit.size
        if rows:
            self._rows[unit.prefix] = rows
        else:
            self._rows.pop(unit.prefix, None)
