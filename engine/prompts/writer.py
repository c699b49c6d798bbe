"""Writes a plan chunk by chunk, and counts what is in it in bounded memory.

In: tables of planned rows. Out: the files of a prompts folder, and the counts that its record gives.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.errors import UserError

_SHOWN_VALUES = 20
"""The number of values of a condition that the record lists, the most frequent ones."""
_COUNTED_VALUES = 100_000
"""Beyond so many values of one condition the rarer half is counted but no longer named."""


def write_plan(chunks: Iterable[pa.Table], expected: int, folder: PromptsFolder) -> PromptsRecord:
    """Writes all rows of a plan.

    Args:
        chunks: planned rows (`columns.PROMPTS`), by `sample_id`.
        expected: how many were asked for; quotas may end the plan earlier.
        folder: where to.

    Returns:
        The record of the plan; its demonstrations are counted by who chose them.

    Raises:
        UserError: the quotas let nothing be planned.
    """
    planned = tokens = 0
    prefixes: set[int] = set()
    counts: dict[str, _ValueCounts] = {}
    for number, chunk in enumerate(chunks):
        folder.write_chunk(number, chunk)
        planned += chunk.num_rows
        tokens += int(np.sum(chunk["prompt_tokens"].to_numpy(), dtype=np.int64))
        prefixes |= set(chunk["prefix"].unique().to_pylist())
        for name in chunk.column_names:
            if name.startswith(CONDITION_PREFIX):
                counts.setdefault(name.removeprefix(CONDITION_PREFIX), _ValueCounts()).add(chunk[name])
    if not planned:  # the documents step lets no empty corpus through
        raise UserError("the quotas let nothing be planned", where="task.quotas", remedy="set a larger `max`")
    return PromptsRecord(
        planned=planned,
        prefixes=len(prefixes),
        prompt_tokens=tokens,
        num_values={name: counted.distinct() for name, counted in counts.items()},
        distribution={name: counted.shares() for name, counted in counts.items()},
        ended_early=f"no cell was free after {planned:,} of {expected:,} samples" if planned < expected else "",
        demonstrations=0,
        demonstration_sets=0,
    )


class _ValueCounts:
    """Counts how often each value of a condition was planned."""

    def __init__(self) -> None:
        self._count_of: dict[str, int] = {}
        self._total = self._unnamed = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts a chunk's values."""
        self._total += len(column)
        for entry in column.value_counts().to_pylist():
            self._count_of[entry["values"]] = self._count_of.get(entry["values"], 0) + entry["counts"]
        if len(self._count_of) > _COUNTED_VALUES:
            kept = self._most_frequent(_COUNTED_VALUES // 2)
            self._unnamed += len(self._count_of) - len(kept)
            self._count_of = kept

    def distinct(self) -> int:
        """Returns the number of values; one that came back after it was dropped counts again."""
        return len(self._count_of) + self._unnamed

    def shares(self) -> dict[str, float]:
        """Returns the share of each value, sorted by value; of many values, the most frequent, sorted by share."""
        few = self.distinct() <= _SHOWN_VALUES
        shown = dict(sorted(self._count_of.items())) if few else self._most_frequent(_SHOWN_VALUES)
        return {value: round(count / self._total, 4) for value, count in shown.items()}

    def _most_frequent(self, number: int) -> dict[str, int]:
        return dict(sorted(self._count_of.items(), key=lambda pair: (-pair[1], pair[0]))[:number])
