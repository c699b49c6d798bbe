"""What is asked of engines: a job, and the units of work that it is given out in; and how an engine reports back.

In: planned rows and what they are about. Out: units, runs of rows that share a prefix, each with the texts that its
prompts need. A job is what all of its units have in common: the task and the folder into which samples are written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.task.sampling import PENALTIES, RANGES, Sampling, sampling_of_turn
from engine.text.hashes import Integers

if TYPE_CHECKING:
    from engine.artifacts.subjects import Subjects
    from engine.generation.config import GeneratorConfig
    from engine.generation.totals import EngineTotals
    from engine.storage.parts_log import PartsLog
    from engine.task.compiled import Prompts
    from engine.task.turns import Turn

_UNIT_ORDER = [("prefix", "ascending"), ("sample_id", "ascending")]


@dataclass(frozen=True)
class GenerationJob:
    """What all units of one call of `Pool.generate` have in common."""

    prompts: Prompts
    attempt: int
    """The number of this start of the driver, from 1."""
    attempt_folder: Path
    """The folder of this start, into which engines write parts (engine/storage/parts.py)."""
    conditions: list[str]
    """Names of the conditions that the rows carry."""
    max_failed_share: float = 0.5
    """Generation stops when more than this share of at least 50 samples failed."""
    upload: Callable[[Path], None] | None = None
    """Shares a part that an engine has written, where the driver may be on another disk."""


@dataclass(frozen=True)
class Unit:
    """Rows of the plan that share a prefix, with what their prompts are made from."""

    prefix: int
    rows: pa.Table
    """Columns of `columns.PROMPTS`, the conditions, and what `Subjects.join` appends."""

    @property
    def size(self) -> int:
        """Returns the number of rows."""
        return int(self.rows.num_rows)


@dataclass
class Ticket:
    """Is `done` when what was handed to an engine's loop is taken in (a job) or written (all rows of a unit)."""

    rows: int = 0
    """Rows that are not written yet."""
    done: threading.Event = field(default_factory=threading.Event)

    def count_row(self) -> None:
        """Counts a row that is written."""
        self.rows -= 1
        if not self.rows:
            self.done.set()


class Pool(Protocol):
    """The engines of a run as those who need answers see them: planned rows and a task in, committed answers out."""

    @property
    def start_seconds(self) -> float:
        """Returns the longest start of an engine so far."""

    @property
    def out_of_time(self) -> bool:
        """Tells whether `samples.max_seconds` ran out before all units were written."""

    def wait_ready(self) -> float:
        """Waits until an engine is loaded, others join later; returns the longest start so far, in seconds.

        Raises:
            UserError: an engine cannot start.
        """

    def generate(
        self, job: GenerationJob, parts: PartsLog, units: Iterable[Unit], on_progress: Callable[[int], None]
    ) -> list[EngineTotals]:
        """Generates all rows of all units into parts that count, each row exactly once.

        Args:
            job: the task, and where engines write its samples.
            parts: lists what they have written; it stays with the driver.
            units: the work; taken as it is needed, so that it may be made while engines write. Several generators go
                through it once each, so that it is no Iterator but makes one.
            on_progress: called with the number of rows written so far.

        Returns:
            The totals of each engine that took part, dead ones included. Where `samples.max_seconds` ran out first,
            `out_of_time` is set, the engines have ended, and rows that they had not written are missing.

        Raises:
            FencedError: another start of the run has taken over.
            UserError: engines cannot start, engines keep dying, or too many samples failed.
        """

    def totals(self) -> list[EngineTotals]:
        """Returns the totals of each engine that took part in the job so far, dead ones included."""

    def stop(self) -> None:
        """Ends every engine; open parts are committed first."""


def make_units(pending: pa.Table, subjects: Subjects, unit_rows: int) -> Iterator[Unit]:
    """Cuts planned rows into units, prefix by prefix and within one by `sample_id`, and joins what they are about.

    Texts are joined unit by unit, or for as many units as the subjects read well together, so that only what is taken
    is in memory.

    Args:
        pending: rows of a plan.
        subjects: what the rows are about.
        unit_rows: rows of a unit at most.
    """
    ordered = pending.sort_by(_UNIT_ORDER)
    prefixes = ordered["prefix"].to_numpy()
    for together in _gathered(_cuts(prefixes, unit_rows), subjects.rows_at_once):
        begin = together[0].start
        joined = subjects.join(ordered.slice(begin, together[-1].stop - begin))
        for cut in together:
            rows = joined.slice(cut.start - begin, len(cut))
            if len(together) > 1:  # a copy, so that a unit in flight does not keep the texts of the others
                rows = rows.take(pa.array(np.arange(len(cut))))
            yield Unit(int(prefixes[cut.start]), rows.combine_chunks())


def units_of(rows: pa.Table) -> list[Unit]:
    """Makes one unit for each prefix of a few rows that are joined with what they are about."""
    ordered = rows.sort_by(_UNIT_ORDER)
    prefixes = ordered["prefix"].to_numpy()
    cuts = _cuts(prefixes, max(1, rows.num_rows))
    return [Unit(int(prefixes[cut.start]), ordered.slice(cut.start, len(cut)).combine_chunks()) for cut in cuts]


def _cuts(prefixes: Integers, most_rows: int) -> Iterator[range]:
    """Gives runs of equal numbers, each of at most so many rows."""
    starts = np.flatnonzero(np.diff(prefixes, prepend=prefixes[:1] - 1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(prefixes)], strict=True):
        for first in range(start, end, most_rows):
            yield range(first, min(first + most_rows, end))


def _gathered(cuts: Iterable[range], most_rows: int) -> Iterator[list[range]]:
    """Gathers neighbours into lists of at most so many rows, or of one where that is longer."""
    together: list[range] = []
    for cut in cuts:
        if together and cut.stop - together[0].start > most_rows:
            yield together
            together = []
        together.append(cut)
    if together:
        yield together


def token_counts(units: list[Unit]) -> tuple[float, float]:
    """Counts planned tokens of the shortest prompt of some units, and of the mean one; 1 without any row."""
    rows = sum(unit.size for unit in units)
    if not rows:
        return 1.0, 1.0
    columns = [unit.rows["prompt_tokens"] for unit in units]
    shortest = min(pc.min(column).as_py() for column in columns)
    return float(shortest), sum(pc.sum(column).as_py() for column in columns) / rows


def sampling_of(turn: Turn, config: GeneratorConfig) -> Sampling:
    """Settles how the answer to a turn is drawn: by its own settings, and by its model's config where it has none.

    The model's penalties are for free text: those of a schema would fall on its quotation marks.
    """
    structured = turn.structured()
    settings: dict[str, Any] = {name: getattr(config, name) for name in RANGES}
    if structured:
        settings |= dict.fromkeys(PENALTIES, 0.0)
    return Sampling(
        **settings | sampling_of_turn(turn.config), stop=tuple(turn.config.stop or ()), structured=structured
    )
