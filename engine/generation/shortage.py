"""Tells the terminal what a run waits for that has no engine, every minute: nodes that are missing, or a long load.

In: the engines of a group. Out: one line now and then, and none as long as any engine is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.generation.engine import Engine
    from engine.generation.processors import Processors
    from engine.runtime.console import Console

NEWS_SECONDS = 60.0
"""How often the terminal is told."""


class Shortage:
    """What a group without a loaded engine says.

    Args:
        console: where it is said.
        processors: how many engines there should be, and what each of them holds.
    """

    def __init__(self, console: Console, processors: Processors) -> None:
        self._console, self._processors = console, processors
        self._last_news = time.monotonic()

    def say(self, engines: Sequence[Engine]) -> None:
        """Says what is missing if no engine is loaded, unless it was said a short while ago."""
        now = time.monotonic()
        if any(engine.is_loaded for engine in engines):
            self._last_news = now
        elif now - self._last_news >= NEWS_SECONDS:
            self._last_news = now
            self._console.step("samples", self._what_is_missing(engines))

    def _what_is_missing(self, engines: Sequence[Engine]) -> str:
        import ray

        number, gpus, cpus = self._processors.num_engines, self._processors.gpus, self._processors.asked_cpus
        if placed := [engine for engine in engines if engine.has_begun]:
            return f"{len(placed)} of {number} engines are still loading (see {placed[0].log})"
        kind, each = ("GPU", gpus) if gpus else ("CPU", cpus)
        there, free = (amounts.get(kind, 0) for amounts in (ray.cluster_resources(), ray.available_resources()))
        said = f"waiting for {number * each:g} {kind}s: the cluster has {there:g}, of which {free:g} are free"
        largest = max((node["Resources"].get(kind, 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
        if largest >= each:
            return said
        what = f"an engine takes {each:g} of one node, and the largest that is up has {largest:g}"
        return f"{said}; {what}: if no larger one can come up, lower samples.{kind.lower()}s_per_engine"
