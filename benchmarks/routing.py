"""Routing of units to engines, simulated: 64 engines, 1,000 prefixes of unequal size, no LLM.

    .venv/bin/python benchmarks/routing.py [SEED ...]

Every engine has a speed of its own and a cache that holds a few prefixes; a unit whose prefix is warm skips the cost
of computing it. Four ways to hand out the same units: the policy of engine/generation/routing.py (the object that the
pool uses), every unit to an engine drawn at random, round-robin, and first come first served (an idle engine takes the
next unit of the plan). Prints, as median over the seeds, `routing_hit_rate ratio` (share of units that found their
prefix warm, policy over each other way) and `routing_idle value` (share of the engines' time, from start to the last
unit's end, that nothing was computed). Fails where the policy is not better.
"""

from __future__ import annotations

import collections
import heapq
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.generation.routing import UNITS_AHEAD, Queues, WarmPrefixes


@dataclass(frozen=True)
class Setting:
    """What is simulated."""

    engines: int = 64
    prefixes: int = 1000
    units: int = 16_000
    zipf: float = 0.8
    """Size of the prefix of rank r is proportional to 1 / r ** zipf; every one has at least one unit."""
    warm_prefixes: int = 4
    """Prefixes that an engine's cache holds."""
    unit_seconds: float = 30.0
    prefix_seconds: float = 6.0
    """What a cold prefix adds to its unit."""
    spread: float = 0.3
    """Speeds of engines, and lengths of units, vary by this share of their mean (standard deviation)."""
    seed: int = 0


@dataclass(frozen=True)
class Unit:
    """A unit of the plan; `seconds` on an engine of speed 1 with a warm prefix."""

    prefix: int
    size: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a way of routing led to."""

    hit_rate: float
    idle: float
    seconds: float


class Router(Protocol):
    """Hands out units."""

    def take(self, engine: int, in_flight: int) -> Unit | None:
        """The unit that an engine does next, or None for now."""


class Dealt:
    """Units dealt to engines before anything runs: at random, or in turn."""

    def __init__(self, units: Sequence[Unit], engines: Sequence[int]) -> None:
        self._own: dict[int, collections.deque[Unit]] = collections.defaultdict(collections.deque)
        for unit, engine in zip(units, engines, strict=True):
            self._own[engine].append(unit)

    def take(self, engine: int, in_flight: int) -> Unit | None:
        """The next of the engine's own."""
        return self._own[engine].popleft() if self._own[engine] and in_flight < UNITS_AHEAD else None


class FirstCome:
    """The next unit of the plan to whoever asks."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = collections.deque(units)

    def take(self, engine: int, in_flight: int) -> Unit | None:  # noqa: ARG002  # the same for every engine
        """The next of all."""
        return self._units.popleft() if self._units and in_flight < UNITS_AHEAD else None


def make_units(setting: Setting, rng: random.Random) -> list[Unit]:
    """The plan, prefix by prefix."""
    weights = [1 / (rank + 1) ** setting.zipf for rank in range(setting.prefixes)]
    scale = setting.units / sum(weights)
    counts = [max(1, round(weight * scale)) for weight in weights]
    rng.shuffle(counts)
    return [
        Unit(prefix, 128, setting.unit_seconds * varied(rng, setting.spread))
        for prefix, count in enumerate(counts)
        for _ in range(count)
    ]


def varied(rng: random.Random, spread: float) -> float:
    """A factor around 1, never below a half."""
    return max(0.5, rng.gauss(1, spread))


def policy(units: Sequence[Unit], setting: Setting) -> Queues[Unit]:
    """The pool's own queues."""
    queues = Queues(units)
    for engine in range(setting.engines):
        queues.add_engine(engine, setting.warm_prefixes)
    return queues


def simulate(router: Router, setting: Setting, speeds: Sequence[float]) -> Outcome:
    """Runs all units: each engine works on one at a time and holds another ahead where the router gives one."""
    caches = [WarmPrefixes(setting.warm_prefixes) for _ in speeds]
    held: list[collections.deque[Unit]] = [collections.deque() for _ in speeds]
    ends: list[tuple[float, int]] = []
    busy = [0.0] * len(speeds)
    working = [False] * len(speeds)
    now, hits, done = 0.0, 0, 0

    def give_out() -> None:
        for _ in range(UNITS_AHEAD):  # as the pool does: everyone gets a first unit before anyone gets a second
            for engine in sorted(range(len(speeds)), key=lambda engine: len(held[engine]) + working[engine]):
                unit = router.take(engine, len(held[engine]) + working[engine])
                if unit:
                    held[engine].append(unit)

    def begin(engine: int) -> int:
        unit = held[engine].popleft()
        warm = unit.prefix in caches[engine]
        caches[engine].use(unit.prefix)
        spent = (unit.seconds + (0.0 if warm else setting.prefix_seconds)) / speeds[engine]
        busy[engine] += spent
        working[engine] = True
        heapq.heappush(ends, (now + spent, engine))
        return warm

    give_out()
    while True:
        for engine in range(len(speeds)):
            if held[engine] and not working[engine]:
                hits += begin(engine)
                done += 1
        if not ends:
            break
        now, engine = heapq.heappop(ends)
        working[engine] = False
        give_out()
    return Outcome(hits / done, 1 - sum(busy) / (now * len(speeds)), now)


def compare(setting: Setting) -> dict[str, Outcome]:
    """The outcomes of all ways to route the same units on the same engines."""
    rng = random.Random(setting.seed)
    units = make_units(setting, rng)
    speeds = [varied(rng, setting.spread) for _ in range(setting.engines)]
    drawn = [rng.randrange(setting.engines) for _ in units]
    in_turn = [number % setting.engines for number in range(len(units))]
    routers: dict[str, Router] = {
        "policy": policy(units, setting),
        "random": Dealt(units, drawn),
        "round_robin": Dealt(units, in_turn),
        "first_come": FirstCome(units),
    }
    return {name: simulate(router, setting, speeds) for name, router in routers.items()}


def main(seeds: Sequence[int]) -> int:
    """Prints the figures of all seeds; fails where the policy has fewer hits, or idles 2 points more."""
    started = time.monotonic()
    found = [compare(replace(Setting(), seed=seed)) for seed in seeds]
    ok = True
    for name in ("random", "round_robin", "first_come"):
        ratios = [one["policy"].hit_rate / one[name].hit_rate for one in found]
        print(f"routing_hit_rate.{name} ratio {_spread(ratios)} of {len(ratios)} seeds)")
        ok = ok and min(ratios) > 1 and all(one["policy"].idle <= one[name].idle + 0.02 for one in found)
    for name in found[0]:
        for figure in ("hit_rate", "idle"):
            values = [getattr(one[name], figure) for one in found]
            print(f"routing_{figure}.{name} value {statistics.median(values):.4f} share")
        hours = statistics.median(one[name].seconds for one in found) / 3600
        print(f"routing_makespan.{name} value {hours:.3f} h")
    print(f"routing_seconds value {time.monotonic() - started:.1f} s")
    return int(not ok)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f}"


if __name__ == "__main__":
    sys.exit(main([int(seed) for seed in sys.argv[1:]] or range(5)))
