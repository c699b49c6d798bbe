"""Tells the terminal what a run waits for that has no engine, every minute: nodes that are missing, or a long load.

In: the engines of a group. Out: one line now and then, and none as long as any engine is loaded. Which nodes may come
up Ray tells nobody but its autoscaler: where no node that is up holds an engine, the line names the sizes of those.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.runtime.capacity import Ask, nodes_in_all, nodes_in_words

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
        nodes, one = nodes_in_all(), Ask("engine", 1, cpus, gpus)
        if one.fits(nodes):
            return said
        short = "gpus" if gpus and not replace(one, cpus=0.0).fits(nodes) else "cpus"
        what = f"no node that is up holds {one} (up are {nodes_in_words(nodes)})"
        return f"{said}; {what}: if no larger one can come up, lower samples.{short}_per_engine"
