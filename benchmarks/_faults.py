"""A whole run on a cluster whose nodes, or whose driver, are hurt while it goes on, and what came of it.

In: the size of the run, a cluster, one kind of fault. Out: how long it took, and whether what it made is whole. The run
is `synthmill experiment=adapt until=model` with the fake generator, whose texts follow from the prompts alone, so that
any two runs have to keep the same examples; curation is without the round trip, and two workers train.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks._nodes import Cluster
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.storage.parts import committed_parts
from engine.storage.store import is_done, read_record

PER_PASSAGE = 10
"""Samples of each passage."""
_WORDS, _PASSAGE_WORDS = 3_000, 40
_DULL = 3
"""Each passage of so many has two words only, so that its samples are like each other and curation rejects some."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_POLL_SECONDS = 0.05
_CUT_SECONDS = 90.0
"""How long a node that is cut off stays so: longer than Ray, by its defaults, takes to give it up."""
_LOG_LINES = 25


Kept = list[tuple[Any, ...]]
"""Kept examples in order: sample, passage, query, split."""


class Fault(Enum):
    """What happens to the cluster while the run goes on."""

    none = "none"
    node = "a node killed"
    two = "two nodes killed at once"
    cut = "a node cut off"
    driver = "the driver killed"


class Phase(Enum):
    """How far a run is."""

    start = "start"
    generation = "generation"
    curation = "curation"
    training = "training"
    """There is a checkpoint."""
    other = "other"
    """Between curation and the first checkpoint, and after training."""


@dataclass(frozen=True)
class Job:
    """The run.

    Attributes:
        folder: everything that it reads and writes.
        samples: how many are planned.
        engines: how many engines generate, of one CPU each.
        rate: the samples that each writes in a second.
        epochs: how long is trained.
    """

    folder: Path
    samples: int
    engines: int
    rate: float
    epochs: int

    @property
    def run(self) -> Path:
        """Returns the run folder."""
        return self.folder / "run"

    def prepare(self) -> None:
        """Writes the passages, and the encoder that is trained."""
        from benchmarks.gpu import SMALL, write_base

        write_passages(self.folder / "passages.jsonl", -(-self.samples // PER_PASSAGE))
        write_base(self.folder / "base", SMALL)

    def command(self, address: str) -> list[str]:
        """Returns the command that starts the run, and goes on with it."""
        engines = [f"samples.num_engines={self.engines}", "samples.cpus_per_engine=1", "samples.gpus_per_engine=0"]
        training = [f"model.base={self.folder / 'base' / 'encoder'}", "model.num_workers=2", "model.batch_size=32"]
        training += [f"model.epochs={self.epochs}", "model.max_tokens=64", "model.checkpoint_steps=20"]
        planned = [f"prompts.per_passage={PER_PASSAGE}", f"prompts.max_samples={self.samples}"]
        written = ["samples.part_rows=64", "samples.max_num_seqs=32", "examples.round_trip.enabled=false"]
        where = [f"cluster.address={address}", "cluster.autoscaling=true", "tracking=off", "until=model"]
        where += [f"runs_dir={self.folder}", f"run_dir={self.run}", f"collection={self.folder / 'passages.jsonl'}"]
        command = [sys.executable, "-m", "engine", "experiment=adapt", "samples=fake"]
        return [*command, *planned, *engines, *written, *training, *where]

    def phase(self) -> Phase:
        """Tells how far the run is, by what lies in its folder."""
        if is_done(self.run / "model"):
            return Phase.other
        if is_done(self.run / "examples"):
            listed = self.run / "model" / "checkpoints" / "checkpoint_manager_snapshot.json"
            return Phase.training if listed.is_file() and "checkpoint_" in listed.read_text() else Phase.other
        if is_done(self.run / "samples"):
            return Phase.curation
        return Phase.generation if any(self.run.glob("samples/attempt-*/part-*.parquet")) else Phase.start


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        seconds: from the first command to the end of the last.
        generation_seconds: from the first part that is there to the end of the samples step.
        struck: when something was hurt, in seconds from the start, and in which phase.
        codes: the exit code of each start of the driver.
        planned: the samples that were planned.
        rows: the `sample_id` of each row that counts, as often as it is there.
        kept: the kept examples, in order.
        resumed_at_step: the step that training went on from last.
    """

    seconds: float = 0.0
    generation_seconds: float = 0.0
    struck: list[tuple[float, Phase]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    planned: int = 0
    rows: list[int] = field(default_factory=list)
    kept: Kept = field(default_factory=list)
    resumed_at_step: int = 0

    @property
    def lost(self) -> int:
        """Returns the number of planned rows that are not there."""
        return self.planned - len(set(self.rows))

    @property
    def twice(self) -> int:
        """Returns the number of rows too many."""
        return len(self.rows) - len(set(self.rows))

    @property
    def rate(self) -> float:
        """Returns the planned rows per second of generation."""
        return self.planned / self.generation_seconds

    def times(self, phase: Phase) -> int:
        """Returns how often something was hurt in a phase."""
        return sum(struck is phase for _, struck in self.struck)


class FaultyRun:
    """One run, and the faults that happen to its cluster.

    Args:
        job: the run.
        cluster: where it runs.
        fault: what happens, all in all or again and again.
        interval: how many seconds lie between two faults while samples are generated; in curation, and in training once
            there is a checkpoint, something is hurt once.
    """

    def __init__(self, job: Job, cluster: Cluster, fault: Fault, interval: float) -> None:
        self._job, self._cluster, self._fault, self._interval = job, cluster, fault, interval
        self._log = job.folder / "driver.log"
        self._outcome = Outcome()
        self._started = time.monotonic()
        self._mend_at = float("inf")

    def run(self, limit_seconds: float) -> Outcome:
        """Runs it to its end.

        Raises:
            RuntimeError: a start of the driver failed; the message ends with the last lines of its log.
            TimeoutError: it does not end in time.
        """
        self._started = time.monotonic()
        driver, first_part = self._start(), 0.0
        try:
            while driver.poll() is None:
                now, phase = self._now(), self._job.phase()
                if now > limit_seconds:
                    raise TimeoutError(f"the run goes on after {now:.0f} s:\n{self._last_lines()}")
                if now >= self._mend_at:
                    self._cluster.mend()
                    self._mend_at = float("inf")
                if phase is Phase.generation:
                    first_part = first_part or now
                elif first_part and not self._outcome.generation_seconds and phase is not Phase.start:
                    self._outcome.generation_seconds = now - first_part
                if self._is_due(phase, now, first_part):
                    self._outcome.struck.append((now, phase))
                    driver = self._strike(driver)
                time.sleep(_POLL_SECONDS)
        finally:
            _kill_group(driver)
        self._outcome.codes.append(driver.returncode)
        if driver.returncode:
            raise RuntimeError(f"exit code {driver.returncode} of the driver:\n{self._last_lines()}")
        self._outcome.seconds = self._now()
        return self._read()

    def _is_due(self, phase: Phase, now: float, first_part: float) -> bool:
        if self._fault is Fault.none or (self._fault is Fault.two and len(self._cluster.nodes) < 3):
            return False
        if phase is Phase.generation:
            last = self._outcome.struck[-1][0] if self._outcome.struck else first_part
            is_over = self._fault is Fault.cut and bool(self._outcome.struck)
            return now - last >= self._interval and not is_over
        rests = self._fault is Fault.cut and phase is Phase.curation  # its tasks are too short to be cut off in
        return phase in (Phase.curation, Phase.training) and not self._outcome.times(phase) and not rests

    def _strike(self, driver: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Hurts something; what is killed has another one in its place at once."""
        others = self._cluster.nodes[1:]
        if self._fault is Fault.driver:
            _kill_group(driver)
            self._outcome.codes.append(driver.returncode)
            return self._start()
        if self._fault is Fault.cut:
            self._cluster.cut_off(others[0])
            self._mend_at = self._now() + _CUT_SECONDS
        else:
            self._cluster.kill(others[: 2 if self._fault is Fault.two else 1])
        for _ in range(2 if self._fault is Fault.two else 1):
            self._cluster.add()
        return driver

    def _start(self) -> subprocess.Popen[bytes]:
        variables = {SAMPLES_PER_SECOND: str(self._job.rate)}
        return self._cluster.popen(self._job.command(self._cluster.address), self._log, variables)

    def _read(self) -> Outcome:
        outcome, run = self._outcome, self._job.run
        outcome.planned = size_of(PromptsFolder(run / "prompts").plan_files())
        parts = committed_parts(run / "samples")
        outcome.rows = [number for part in parts for number in pq.read_table(part)["sample_id"].to_pylist()]
        columns = ("sample_id", "passage_id", "query", "split")
        kept = ExamplesFolder(run / "examples").kept(columns)
        outcome.kept = sorted(zip(*(kept[name].to_pylist() for name in columns), strict=True))
        outcome.resumed_at_step = read_record(run / "model").record["resumed_at_step"]
        return outcome

    def _now(self) -> float:
        return time.monotonic() - self._started

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


def write_passages(file: Path, count: int) -> None:
    """Writes passages of random words, the same ones each time."""
    source = random.Random(0)
    words = ["".join(source.choices(_LETTERS, k=7)) for _ in range(_WORDS)]
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            known = words if number % _DULL else source.choices(words, k=2)
            text = " ".join(source.choices(known, k=_PASSAGE_WORDS)) + "."
            stream.write(json.dumps({"_id": f"d{number}", "title": f"document {number}", "text": text}) + "\n")


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells, the first of them the heading, as a table in Markdown."""
    heading, *others = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([heading, "|" + "---|" * len(rows[0]), *others])


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a driver with what it started itself; what Ray started for it is the cluster's to end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
