"""A prefix cache in numbers: what vLLM's cache of whole blocks would save of prompts that are asked in some order.

In: prompts as token ids. Out: prompt tokens that need not be computed. Nothing is estimated: blocks are told apart by
all tokens up to their end; those of running requests are held, and of the others the least recently used leaves first,
the end of a prompt before its beginning (vLLM 0.32, v1/core/kv_cache_manager.py). No time passes here: requests end in
the order in which they began.
"""

from __future__ import annotations

import collections
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.generation.routing import Queues

Tokens = npt.NDArray[np.int32]
"""Token ids of one prompt."""

_WARM_PREFIXES, _UNITS_WAITING = 16, 1024
"""As in engine/generation/pool.py."""


@dataclass(frozen=True)
class CacheSize:
    """What an engine holds."""

    tokens: int
    """Tokens in the KV cache, those of running requests included."""
    running: int
    """Requests at a time."""
    block_tokens: int = 16
    output_tokens: int = 64
    """What each request writes."""


class Blocks:
    """Names whole blocks: two prompts have a block in common where they are equal up to its end."""

    def __init__(self, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self._names: dict[tuple[int, bytes], int] = {}

    def of(self, prompt: Tokens) -> list[int]:
        """The names of the whole blocks of a prompt."""
        names, name = [], -1
        for start in range(0, len(prompt) - self.block_tokens + 1, self.block_tokens):
            block = prompt[start : start + self.block_tokens].tobytes()
            name = self._names.setdefault((name, block), len(self._names))
            names.append(name)
        return names


@dataclass(frozen=True)
class Asked:
    """A prompt."""

    tokens: int
    blocks: Sequence[int]


class BlockCache:
    """The cache of one engine.

    Args:
        size: what it holds.
    """

    def __init__(self, size: CacheSize) -> None:
        self._size = size
        self._free = size.tokens // size.block_tokens
        self._holders: collections.Counter[int] = collections.Counter()
        self._idle: collections.OrderedDict[int, None] = collections.OrderedDict()
        self._running: collections.deque[tuple[list[int], int]] = collections.deque()

    def ask(self, prompt: Asked) -> int:
        """Admits a request; returns the prompt tokens that it need not compute. The last token is always computed."""
        if len(self._running) == self._size.running:
            self._end_oldest()
        usable = prompt.blocks[: (prompt.tokens - 1) // self._size.block_tokens]
        hits = next((n for n, block in enumerate(usable) if not self._has(block)), len(usable))
        held = list(prompt.blocks[:hits])
        for block in held:
            self._hold(block)
        needed = -(-(prompt.tokens + self._size.output_tokens) // self._size.block_tokens) - hits
        while self._free + len(self._idle) < needed:
            self._end_oldest()
        for _ in range(needed - self._free):
            self._idle.popitem(last=False)
            self._free += 1
        self._free -= needed
        new = [block for block in prompt.blocks[hits:] if not self._has(block)]
        self._holders.update(new)
        self._running.append((held + new, needed - len(new)))
        return hits * self._size.block_tokens

    def drain(self) -> None:
        """Ends all requests."""
        while self._running:
            self._end_oldest()

    def _has(self, block: int) -> bool:
        return block in self._holders or block in self._idle

    def _hold(self, block: int) -> None:
        self._idle.pop(block, None)
        self._holders[block] += 1

    def _end_oldest(self) -> None:
        assert self._running, "one request does not fit into the cache"
        blocks, unnamed = self._running.popleft()
        self._free += unnamed
        for block in reversed(blocks):
            self._holders[block] -= 1
            if not self._holders[block]:
                del self._holders[block]
                self._idle[block] = None


def most_saved(prompts: Iterable[Asked], block_tokens: int) -> int:
    """Prompt tokens that a cache which forgets nothing saves.

    The order matters only where prompts end with a whole block: its last token is computed though it is there.
    """
    seen: set[int] = set()
    saved = 0
    for prompt in prompts:
        usable = prompt.blocks[: (prompt.tokens - 1) // block_tokens]
        saved += block_tokens * sum(block in seen for block in usable)
        seen.update(prompt.blocks)
    return saved


def saved_in_order(prompts: Iterable[Asked], size: CacheSize) -> int:
    """Prompt tokens that one engine saves which is asked in this order."""
    cache = BlockCache(size)
    return sum(map(cache.ask, prompts))


def saved_in_chunks(prompts: Sequence[Asked], size: CacheSize, chunk: int) -> int:
    """The same where an engine is asked chunk by chunk, each to its end, and keeps its cache."""
    cache = BlockCache(size)
    saved = 0
    for start in range(0, len(prompts), chunk):
        saved += sum(map(cache.ask, prompts[start : start + chunk]))
        cache.drain()
    return saved


@dataclass(frozen=True)
class Unit:
    """Rows that routing hands out together."""

    prefix: int
    rows: range

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.rows)


def cut_units(prefixes: Sequence[int], most_rows: int) -> Iterator[Unit]:
    """The units of rows in order, as `engine.generation.jobs.make_units` cuts them."""
    start = 0
    for row in range(1, len(prefixes) + 1):
        if row == len(prefixes) or prefixes[row] != prefixes[start] or row - start == most_rows:
            yield Unit(prefixes[start], range(start, row))
            start = row


@dataclass(frozen=True)
class Routed:
    """What several engines did."""

    saved: int
    """Prompt tokens."""
    evenness: float
    """Mean of the engines' tokens, computed and written, over those of the engine with most."""


def saved_by_engines(prompts: Sequence[Asked], units: Iterable[Unit], size: CacheSize, engines: int) -> Routed:
    """What engines save, each with a cache of its own, to which the routing of the pool gives units."""
    source, queues = iter(units), Queues[Unit]()
    caches = [BlockCache(size) for _ in range(engines)]
    busy = [(0, engine) for engine in range(engines)]
    for engine in range(engines):
        queues.add_engine(engine, _WARM_PREFIXES)
    saved = 0
    ended: list[int] = []
    while busy:
        tokens, engine = heapq.heappop(busy)
        while len(queues) < _UNITS_WAITING and (unit := next(source, None)):
            queues.put(unit)
        taken = queues.take(engine)
        if taken is None:
            ended.append(tokens)
            continue
        hits = sum(caches[engine].ask(prompts[row]) for row in taken.rows)
        saved += hits
        work = sum(prompts[row].tokens + size.output_tokens for row in taken.rows) - hits
        heapq.heappush(busy, (tokens + work, engine))
    return Routed(saved, sum(ended) / len(ended) / max(ended))
