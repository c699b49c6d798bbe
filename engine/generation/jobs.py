"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.task.sampling import PENALTIES, RANGES, Sampling, own_sampling

if TYPE_CHECKING:
    from engine.generation.config import SamplesConfig
    from engine.task.render import Prompts
    from engine.task.turns import Turn


@dataclass(frozen=True)
class Job:
    """What all units of one samples step have in common."""

    prompts: Prompts
    attempt: int
    attempt_folder: Path
    conditions: list[str]


@dataclass
class Ticket:
    """Set when what was handed to the loop has been taken in (a job) or written (all rows of a unit)."""

    rows: int = 0
    done: threading.Event = field(default_factory=threading.Event)


def make_units(pending: pa.Table, passages: pa.Table, unit_rows: int) -> Iterator[Unit]:
    """Cuts pending rows into runs of one prefix, in the order of `sample_id`, and joins their passages.

    Texts are joined unit by unit, so that only what is taken is in memory.
    """
    ordered = pending.sort_by([("prefix", "ascending"), ("sample_id", "ascending")])
    row_of = pc.index_in(ordered["passage_id"], value_set=passages["passage_id"].combine_chunks())
    assert row_of.null_count == 0, "the plan names only passages of its documents"
    prefixes = ordered["prefix"].to_numpy()
    starts = np.flatnonzero(np.diff(prefixes, prepend=prefixes[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(prefixes)], strict=True):
        for first in range(start, end, unit_rows):
            length = min(unit_rows, end - first)
            rows = ordered.slice(first, length)
            for name in ("title", "text"):
                rows = rows.append_column(name, passages[name].take(row_of.slice(first, length)))
            yield Unit(int(prefixes[start]), rows.combine_chunks())


@dataclass(frozen=True)
class Unit:
    """Rows of the plan that share a prefix, with their passages."""

    prefix: int
    rows: pa.Table

    @property
    def size(self) -> int:
        """Its number of rows."""
        return int(self.rows.num_rows)


def token_counts(units: list[Unit]) -> tuple[float, float]:
    """Planned tokens of the shortest prompt, and of the mean one."""
    rows = sum(unit.size for unit in units)
    if not rows:
        return 1.0, 1.0
    columns = [unit.rows["prompt_tokens"] for unit in units]
    shortest = min(pc.min(column).as_py() for column in columns)
    return float(shortest), sum(pc.sum(column).as_py() for column in columns) / rows


def sampling_of(turn: Turn, config: SamplesConfig) -> Sampling:
    """A turn's own sampling, and that of the model's config where it has none.

    The model's penalties are for free text: those of a schema would fall on its quotation marks.
    """
    structured = turn.structured()
    settings: dict[str, Any] = {name: getattr(config, name) for name in RANGES}
    if structured:
        settings |= dict.fromkeys(PENALTIES, 0.0)
    return Sampling(**settings | own_sampling(turn.config), stop=tuple(turn.config.stop or ()), structured=structured)
