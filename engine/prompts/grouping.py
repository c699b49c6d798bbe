"""Prompts that nobody planned, in an order in which a prefix cache saves what can be saved, cut into prefixes.

In: tables with a text that each prompt begins with. Out: the same rows, those that begin alike as neighbours, with the
prefix that routing keeps on one engine. Memory does not depend on the number of rows.

Byte order is a walk through the tree of all beginnings, in which nested prefixes (system prompt, document, question)
are each met once, and the way from the root to the present prompt is always what was used last: a cache that drops the
least recently used never drops it. A walk has no natural units, so it is cut where cutting costs next to nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.storage.text_sort import sort_by_text

Integers = npt.NDArray[np.int64]
"""Counts, indices and other whole numbers."""

_WINDOW_BYTES = 64
"""So many bytes of two neighbours are compared at a time."""
_ROWS_AHEAD = 4096
"""Rows among which a cut is looked for at a time."""


@dataclass(frozen=True)
class GroupingSettings:
    """How prompts are grouped."""

    column: str = "prompt"
    """The text that is compared: all of a prompt, or its beginning."""
    block_bytes: int = 64
    """Less than this is not shared where a cut is looked for: a block of 16 tokens of about four bytes, the smallest of
    any engine's cache. So prefixes are the same whatever engine a plan is made for."""
    least_rows: int = 128
    """Rows of a prefix at least, but for the last one."""
    cut_cost: float = 0.01
    """A prefix ends where computing the shared beginning once more costs at most this share of what its rows compute
    and of what they save: wherever prefixes run, no more than that is lost."""
    memory_bytes: int = 64 << 20
    """Rows that are held at a time; several copies of them are made."""


def group_prompts(
    tables: Iterable[pa.Table], folder: Path, settings: GroupingSettings = GroupingSettings()
) -> Iterator[pa.Table]:
    """Puts prompts into an order for prefix caches, and gives each its prefix.

    The order depends on the texts alone, not on how the tables are cut; equal texts keep the order in which they came.

    Args:
        tables: rows with the text, which is never null, and any other columns.
        folder: exists; gets what does not fit into memory, in a folder of its own that is deleted in the end.
        settings: what is compared, and when a prefix ends.

    Returns:
        The same rows, with two columns more: `prefix` (int64; 0, 1, 2, ... along the order) and `shared_bytes` (int32;
        what a prompt shares with the one before it, and so the most that it shares with any before it).
    """
    numbers = PrefixNumbers(settings)
    before = b""
    with tempfile.TemporaryDirectory(prefix="grouping-", dir=folder) as scratch:
        for table in sort_by_text(tables, settings.column, Path(scratch, "texts"), settings.memory_bytes):
            texts = table[settings.column].combine_chunks()
            lengths, shared = shared_with_previous(texts, before)
            before = texts[-1].as_py().encode()
            prefixes = numbers.assign(lengths, shared - shared % settings.block_bytes)
            numbered = table.append_column("prefix", pa.array(prefixes))
            yield numbered.append_column("shared_bytes", pa.array(shared.astype(np.int32)))


class Sharing:
    """Counts the tokens of grouped prompts, and those that a cache which forgets nothing would save.

    Args:
        block_tokens: what a block of the cache holds. Only whole blocks are shared, and the last token of a prompt is
            computed wherever it stands.
    """

    def __init__(self, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self.tokens = self.shared_tokens = 0

    def count(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Passes grouped rows on.

        Args:
            tables: what `group_prompts` gives, with the columns `prompt_tokens` and `prompt_bytes`, of whole prompts.
                What is shared of a prompt is taken to have as many tokens per byte as all of it.
        """
        for table in tables:
            tokens = table["prompt_tokens"].to_numpy().astype(np.int64)
            lengths = np.maximum(table["prompt_bytes"].to_numpy(), 1)
            shared = np.minimum(tokens * table["shared_bytes"].to_numpy() // lengths, np.maximum(tokens - 1, 0))
            self.tokens += int(tokens.sum())
            self.shared_tokens += int((shared - shared % self.block_tokens).sum())
            yield table


def shared_with_previous(texts: pa.LargeStringArray, before: bytes) -> tuple[Integers, Integers]:
    """Counts the bytes of sorted texts, and those that each has in common with the one before it at its beginning.

    Args:
        texts: in order; not empty.
        before: what comes before the first.

    Returns:
        Lengths and shared lengths in bytes, (n,) each.
    """
    offsets, data = _with_first(texts, before)
    starts, lengths = offsets[:-1], np.diff(offsets)
    shared = np.zeros(len(texts), np.int64)
    limits = np.minimum(lengths[:-1], lengths[1:])
    windows = np.ndarray((len(data) - _WINDOW_BYTES + 1,), f"V{_WINDOW_BYTES}", data, strides=(1,))
    rows = np.flatnonzero(limits > 0)
    while len(rows):
        done = shared[rows]
        left, right = (windows[starts[rows + side] + done].view(np.uint8).reshape(-1, _WINDOW_BYTES) for side in (0, 1))
        differs = left != right
        is_equal = ~differs.any(axis=1)
        done += np.where(is_equal, _WINDOW_BYTES, differs.argmax(axis=1))
        shared[rows] = np.minimum(done, limits[rows])
        rows = rows[is_equal & (done < limits[rows])]
    return lengths[1:], shared


def _with_first(texts: pa.LargeStringArray, first: bytes) -> tuple[Integers, npt.NDArray[np.uint8]]:
    """Returns offsets, (n + 2,), and bytes of a text and those behind it; a window of zeros follows the last."""
    _, offset_buffer, buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(buffer if buffer is not None else b"", np.uint8)[offsets[0] : offsets[-1]]
    data = np.concatenate([np.frombuffer(first, np.uint8), held, np.zeros(_WINDOW_BYTES, np.uint8)])
    return np.concatenate([[0], offsets - offsets[0] + len(first)]), data


class PrefixNumbers:
    """Cuts a walk through prompts into prefixes while it goes on.

    Args:
        settings: when a prefix ends.
    """

    def __init__(self, settings: GroupingSettings) -> None:
        self._settings = settings
        self._prefix = 0
        self._rows = self._computed = self._saved = 0

    def assign(self, lengths: Integers, shared: Integers) -> Integers:
        """Returns the prefix of each of the next prompts, (n,).

        Args:
            lengths: bytes of the prompts, (n,).
            shared: bytes that each shares with the one before it, (n,).
        """
        computed = np.concatenate([[0], np.cumsum(lengths - shared)])
        saved = np.concatenate([[0], np.cumsum(shared)])
        prefixes = np.empty(len(lengths), np.int64)
        start = 0
        while (cut := self._next_cut(start, shared, computed, saved)) < len(lengths):
            prefixes[start:cut] = self._prefix
            self._prefix += 1
            # The first row of a prefix computes what it shares with the row before the cut.
            self._rows, self._computed, self._saved = 0, int(shared[cut]), -int(shared[cut])
            start = cut
        prefixes[start:] = self._prefix
        self._rows += len(lengths) - start
        self._computed += int(computed[-1] - computed[start])
        self._saved += int(saved[-1] - saved[start])
        return prefixes

    def _next_cut(self, start: int, shared: Integers, computed: Integers, saved: Integers) -> int:
        """Returns the next row that may begin a prefix, or the number of rows."""
        first = start + max(0, self._settings.least_rows - self._rows)
        for ahead in range(first, len(shared), _ROWS_AHEAD):
            rows = slice(ahead, min(ahead + _ROWS_AHEAD, len(shared)))
            gained = np.minimum(
                self._computed + computed[rows] - computed[start], self._saved + saved[rows] - saved[start]
            )
            cheap = np.flatnonzero((shared[rows] == 0) | (shared[rows] <= self._settings.cut_cost * gained))
            if len(cheap):
                return ahead + int(cheap[0])
        return len(shared)
