"""One engine in one Ray actor: loads a generator, runs the engine loop in a thread, answers the driver.

In: jobs and work units from the driver. Out: committed parts, and reports of what was done and that the loop moves on,
which are given while a step is computed. A broken engine ends its process, so that the driver sees the actor die and
gives its rows to another; all processes that it started end with it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.prompts import planned_rows
from engine.generation.endings import BROKE
from engine.generation.generator import Weights
from engine.generation.gpu_memory import wait_for_gpu_memory
from engine.generation.jobs import GenerationJob
from engine.generation.limits import memory_share
from engine.generation.load import make_generator
from engine.generation.loop import EngineLoop, Rest
from engine.generation.process_group import lead_process_group
from engine.generation.totals import EngineTotals
from engine.storage.manifest import FencedError

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.generation.config import GeneratorConfig

EXIT_BROKEN, EXIT_FENCED = 1, 3
"""Exit codes of an engine's process that broke, and of one whose run a newer start of the driver has taken over."""


@dataclass(frozen=True)
class Loaded:
    """What an engine says once its generator is loaded."""

    seconds: float
    """How long loading took."""
    cache_tokens: int
    """Tokens that its prefix cache holds; 0 where the generator does not say."""
    can_sleep: bool = False
    """Whether it can give the memory of its GPU back."""


@dataclass(frozen=True)
class Report:
    """How an engine is."""

    totals: EngineTotals
    """What was done of the job so far."""
    passes: int
    """How often its loop went round: a loop that moves on has more of them each time."""
    has_stepped: bool
    """Whether its generator has finished a step since it was loaded; in the first one kernels may be compiled."""
    num_sent: int = 0
    """The parts that are on their way to where they are shared."""


class EngineActor:
    """Answers the driver: Ray calls the methods, several at a time; the loop has its own thread.

    Args:
        config: what is loaded.
        weights: where its models lie.
        index: the number of the engine.
        seed: where its random draws begin.
        log: the file that all output of the process goes to.
    """

    def __init__(
        self, config: GeneratorConfig, weights: Mapping[str, Weights], index: int, seed: int, log: Path
    ) -> None:
        _redirect_output(log)
        lead_process_group()
        sys.stdout.write(f"engine {index}: seed {seed}\n")
        self._config, self._weights, self._seed = config, weights, seed
        self._loop = EngineLoop(config, index)
        self._loaded, self._ended = threading.Event(), threading.Event()
        self._error = ""
        self._answer = Loaded(0.0, 0)
        threading.Thread(target=self._run, name="engine-loop", daemon=True).start()

    def ready(self) -> Loaded:
        """Waits until the generator is loaded.

        Raises:
            RuntimeError: it could not be loaded; the message is the library's own.
        """
        self._loaded.wait()
        if self._error:
            raise RuntimeError(self._error)
        return self._answer

    def open(self, job: GenerationJob) -> None:
        """Begins a job: the units that follow commit into its attempt folder."""
        self._loop.hand_in(job).done.wait()

    def process(self, rows: pa.Table) -> int:
        """Generates a unit; returns its number of rows when each of them is in a part, committed or open.

        Args:
            rows: columns of `columns.PROMPTS`, the conditions, and what `Subjects.join` appends.
        """
        self._loop.hand_in(planned_rows(rows)).done.wait()
        return len(rows)

    def report(self) -> Report:
        """Tells how the engine is; it answers also while a step takes long."""
        return Report(self._loop.totals(), self._loop.passes, self._loop.has_stepped, self._loop.num_sent)

    def metrics(self) -> str:
        """Returns what libraries in the engine's process count, as text for Prometheus; vLLM's names begin `vllm:`."""
        from prometheus_client import generate_latest

        return generate_latest().decode()

    def rest(self, rest: Rest) -> None:
        """Puts the generator to sleep between two jobs, or wakes it."""
        self._loop.hand_in(rest).done.wait()

    def stop(self) -> EngineTotals:
        """Drops what is in flight, commits the open part, ends the loop; returns the totals."""
        self._loop.stop()
        self._ended.wait()
        return self._loop.totals()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            if self._config.gpus():
                wait_for_gpu_memory(memory_share(self._config))
            generator = make_generator(self._config, self._weights, self._seed)
        except BaseException as error:  # anything at all must reach the driver, which waits in ready()
            traceback.print_exc()
            self._error = f"{type(error).__name__}: {error}"
            self._loaded.set()
            self._ended.set()
            return
        cache_tokens = getattr(generator, "cache_tokens", 0)
        self._answer = Loaded(time.monotonic() - started, cache_tokens, generator.can_sleep)
        self._loaded.set()
        try:
            self._loop.run(generator)
        except BaseException as error:
            traceback.print_exc()
            sys.stderr.write(f"{BROKE}{type(error).__name__}: {' '.join(str(error).split())}\n")
            sys.stderr.flush()
            os._exit(EXIT_FENCED if isinstance(error, FencedError) else EXIT_BROKEN)
        self._ended.set()


def _redirect_output(log: Path) -> None:
    """Sends everything that this process prints, C libraries included, to a file of the run."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
