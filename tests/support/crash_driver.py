"""A driver of the samples step that costs a fork instead of a start of Ray, so that it can be killed many times.

In: one JSON object per line on standard input. Out: for each the pid of a forked driver at once, then its wait status.
The driver runs the real step (`engine.samples.step.generate_samples`, locks, parts, reuse, compaction, `_DONE`) with
the real engine loops in threads of its own; only `engine/generation/pool.py` and Ray are replaced. A kill takes both
together. It is sent from outside, or is the driver's own end before its N-th change of the disk (`die_at`).
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console as RichConsole

from engine.artifacts.prompts import planned_rows
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.fake_generator import SAMPLES_PER_SECOND, FakeGenerator
from engine.generation.generator import Written
from engine.generation.jobs import GenerationJob, Ticket, Unit
from engine.generation.loop import EngineLoop
from engine.generation.totals import EngineTotals
from engine.runtime.console import Console
from engine.samples.config import SamplesConfig
from engine.samples.step import generate_samples
from engine.storage.parts_log import PartsLog
from engine.storage.sharing import Unshared
from engine.storage.store import StepRecord, Store, finish, is_done
from engine.storage.typed import to_json_values
from engine.task.sampling import Sampling
from tests.support.kills import install

POINTS = Path(__file__).resolve().parent / "crash_points"
START_SECONDS = LIST_SECONDS = 0.05
MAX_NUM_SEQS = 8
SAMPLES_BEFORE_STOP = 45
"""What an engine has written at the moment `writing`: more than a part holds, and less than its share of the plan."""
DIED = 9
"""Exit code of a driver that died before a change of the disk."""


@dataclass(frozen=True)
class Stop:
    """A moment among the samples: an engine that has written so many makes the marker and goes no further."""

    samples: int
    marker: Path


class LocalPool:
    """Engine loops in threads, two units ahead on each."""

    def __init__(self, config: GeneratorConfig, log: Path, stop: Stop | None) -> None:
        self.config, self._log, self._stop = config, log, stop
        self.start_seconds = START_SECONDS
        self.out_of_time = False
        self._loops = [EngineLoop(config, index) for index in range(config.num_engines)]

    def wait_ready(self) -> float:
        time.sleep(START_SECONDS)
        return START_SECONDS

    def totals(self) -> list[EngineTotals]:
        return [loop.totals() for loop in self._loops]

    def generate(
        self, job: GenerationJob, parts: PartsLog, units: Iterable[Unit], on_progress: Callable[[int], None]
    ) -> list[EngineTotals]:
        for loop in self._loops:
            threading.Thread(target=self._run, args=(loop,), daemon=True).start()
            loop.hand_in(job).done.wait()
        source = iter(units)
        given: list[list[Ticket]] = [[] for _ in self._loops]
        while True:
            for loop, tickets in zip(self._loops, given, strict=True):
                waiting = sum(not ticket.done.is_set() for ticket in tickets)
                tickets += [loop.hand_in(planned_rows(unit.rows)) for unit in itertools.islice(source, 2 - waiting)]
            if all(ticket.done.is_set() for tickets in given for ticket in tickets):
                break
            on_progress(0)
            parts.list_new(LIST_SECONDS)
            time.sleep(0.005)
        while any(engine.committed < engine.finished for engine in self.totals()):
            time.sleep(0.005)
        parts.list_new()
        return self.totals()

    def _run(self, loop: EngineLoop) -> None:
        try:
            loop.run(_Noting(self.config, self._log, self._stop))
        except BaseException:
            traceback.print_exc()
            os._exit(1)


class _Noting(FakeGenerator):
    """Leaves a byte in a file for every sample that it writes, and may stop for good in the middle of them."""

    def __init__(self, config: GeneratorConfig, log: Path, stop: Stop | None) -> None:
        super().__init__(config)
        self._file = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._stop, self._written = stop, 0

    def _write(self, text: str, index: int, sampling: Sampling) -> Written:
        os.write(self._file, b".")
        self._written += 1
        if self._stop and self._written == self._stop.samples:
            self._stop.marker.touch()
            time.sleep(600)
        return super()._write(text, index, sampling)


def drive(work: dict[str, Any]) -> None:
    """One start of the driver: the samples step as engine/runtime/step.py runs it."""
    stop = Stop(SAMPLES_BEFORE_STOP, Path(work["marker"])) if work.get("stop_at") == "writing" else None
    if work.get("stop_at"):
        spec = importlib.util.spec_from_file_location("crash_points", POINTS / "sitecustomize.py")
        assert spec, "the file lies beside this one"
        assert spec.loader
        points = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(points)
        points.install(work["stop_at"], work["marker"])
    if "die_at" in work:
        install(work["die_at"], lambda: os._exit(DIED))
    root = Path(work["root"])
    config = SamplesConfig(
        generator=GeneratorKind.fake,
        seed=0,
        max_num_seqs=MAX_NUM_SEQS,
        num_engines=work["engines"],
        part_rows=work["part_rows"],
    )
    os.environ[SAMPLES_PER_SECOND] = str(work["rate"])
    pools = SimpleNamespace(start=lambda config, *_: LocalPool(config, root / "written", stop))
    where: Any = SimpleNamespace(engines=pools, shared=Unshared(root), console=Console(RichConsole(file=io.StringIO())))
    inputs = {noun: root / noun / work["name"] for noun in ("documents", "prompts")}
    store = Store(root)
    with store.producing(store.folder("samples", work["name"]), keep=True) as folder:
        if not is_done(folder):
            record = to_json_values(generate_samples(config, inputs, folder, where))
            finish(folder, StepRecord("samples", work["name"], {}, {}, 0.0, 0, record))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    """Forks a driver per line."""
    import pyarrow.parquet  # noqa: F401  # loaded once, before any fork

    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.setsid()
            try:
                drive(json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _say(pid)
        _say(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
