"""A whole run on a cluster whose nodes, or whose driver, are hurt while it goes on, and what came of it.

In: a run (`benchmarks/_faulty_job.py`), a cluster, one kind of fault. Out: how long the run took, and whether what it
made is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._faulty_job import Job, Phase
from benchmarks._nodes import Cluster
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, size_of
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.storage.parts import committed_parts
from engine.storage.store import read_record

_POLL_SECONDS = 0.05
_CUT_SECONDS = 90.0
"""How long a node that is cut off stays so: longer than Ray, by its defaults, takes to give it up."""
_LOG_LINES = 25
_AGAIN_SECONDS = 300.0
"""The longest that curation alone may take."""


class Fault(Enum):
    """What happens to the cluster while the run goes on."""

    none = "none"
    node = "a node killed"
    two = "two nodes killed at once"
    cut = "a node cut off"
    driver = "the driver killed"


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        seconds: from the first command to the end of the last.
        generation_seconds: from the first part that is there to the end of the samples step.
        struck: when something was hurt, in seconds from the start, and the value of the phase.
        codes: the exit code of each start of the driver.
        planned: the samples that were planned.
        lost: planned rows that are not there.
        twice: rows too many.
        num_kept: the examples that curation kept.
        kept: a digest of these, with their texts and splits.
        kept_again: that of what is kept when the same samples are curated once more while nothing is hurt, where the
            generator draws: no other run has these samples.
        resumed_at_step: the step that training went on from last.
    """

    seconds: float = 0.0
    generation_seconds: float = 0.0
    struck: list[tuple[float, str]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    planned: int = 0
    lost: int = 0
    twice: int = 0
    num_kept: int = 0
    kept: str = ""
    kept_again: str = ""
    resumed_at_step: int = 0

    @property
    def rate(self) -> float:
        """Returns the planned rows per second of generation."""
        return self.planned / self.generation_seconds

    def times(self, phase: Phase) -> int:
        """Returns how often something was hurt in a phase."""
        return sum(struck == phase.value for _, struck in self.struck)


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
                self._cluster.replace_failed()
                if phase is Phase.generation:
                    first_part = first_part or now
                elif first_part and not self._outcome.generation_seconds and phase is not Phase.start:
                    self._outcome.generation_seconds = now - first_part
                if self._is_due(phase, now, first_part):
                    self._outcome.struck.append((round(now, 3), phase.value))
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

    def _start(self, until: str = "model") -> subprocess.Popen[bytes]:
        variables = {SAMPLES_PER_SECOND: str(self._job.rate)}
        return self._cluster.popen(self._job.command(self._cluster.address, until), self._log, variables)

    def _read(self) -> Outcome:
        outcome, run = self._outcome, self._job.run
        outcome.planned = size_of(PromptsFolder(run / "prompts").plan_files())
        parts = committed_parts(run / "samples")
        outcome.lost, outcome.twice = lost_and_twice([pq.read_table(part) for part in parts], outcome.planned)
        kept = self._kept()
        outcome.num_kept, outcome.kept = kept.num_rows, digest_of(kept)
        outcome.resumed_at_step = read_record(run / "model").record["resumed_at_step"]
        if self._job.draws:
            outcome.kept_again = digest_of(self._curated_again())
        return outcome

    def _curated_again(self) -> pa.Table:
        """Throws what was kept away, and has the same command make it again from the same samples."""
        self._cluster.mend()
        shutil.rmtree((self._job.run / "examples").resolve())
        driver = self._start(until="examples")
        try:
            code = driver.wait(_AGAIN_SECONDS)
        finally:
            _kill_group(driver)
        if code:
            raise RuntimeError(f"exit code {code} of the driver that curates again:\n{self._last_lines()}")
        return self._kept()

    def _kept(self) -> pa.Table:
        return ExamplesFolder(self._job.run / "examples").kept(["sample_id", "passage_id", "query", "split"])

    def _now(self) -> float:
        return time.monotonic() - self._started

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


def lost_and_twice(parts: Sequence[pa.Table], planned: int) -> tuple[int, int]:
    """Returns how many planned rows no part has, and how many rows there are beside the first of each id."""
    ids = [number for part in parts for number in part["sample_id"].to_pylist()]
    return planned - len(set(ids)), len(ids) - len(set(ids))


def digest_of(kept: pa.Table) -> str:
    """Returns a digest of rows, whatever their order in the table."""
    return hashlib.sha256(json.dumps(kept.sort_by("sample_id").to_pylist()).encode()).hexdigest()


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells, the first of them the heading, as a table in Markdown."""
    heading, *others = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([heading, "|" + "---|" * len(rows[0]), *others])


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a driver with what it started itself; what Ray started for it is the cluster's to end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
