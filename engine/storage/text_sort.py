"""Rows of any number in the byte order of a text, in bounded memory.

In: tables, one after the other. Out: the same rows in tables that follow each other in order. Byte order is the order
in which a walk through the tree of all beginnings meets the texts: those that begin alike are neighbours. What does not
fit into memory is dealt out to files, each with a range of the order, and is sorted range by range (a sample sort).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import BrokenInvariantError
from engine.storage.tables import with_large_texts

Rows = npt.NDArray[np.int64]
"""Numbers of rows, (n,)."""

_PIECE_BYTES = 8 << 20
"""What is sorted at once: about what a core's cache holds."""
_SPLITTERS, _SAMPLE_ROWS = 32, 4096
"""Rows are dealt out to the ranges between this many texts, which are quantiles of a sample."""


def sort_by_text(tables: Iterable[pa.Table], column: str, folder: Path, memory_bytes: int) -> Iterator[pa.Table]:
    """Sorts rows by the UTF-8 bytes of a text; equal texts keep the order in which they came.

    Args:
        tables: rows with the column and any others; one table holds no more than fits into memory. Columns of `string`
            become `large_string`.
        column: the name of the text, which is never null.
        folder: gets files while this goes on, where the rows do not fit into memory; it holds none afterwards.
        memory_bytes: rows of so many bytes are held at a time, and copied about twice.
    """
    large = (with_large_texts(table) for table in tables if table.num_rows)
    return _sorted(large, column, folder, memory_bytes)


def _sorted(tables: Iterator[pa.Table], column: str, folder: Path, memory_bytes: int) -> Iterator[pa.Table]:
    gathered = _gather(tables, memory_bytes)
    first = next(gathered, None)
    if first is None:
        return
    if first.nbytes < memory_bytes:
        yield from _sorted_in_memory(first, column)
        return
    splitters = _choose_splitters(_keys(first, column))
    every = itertools.chain([first], gathered)
    del first  # as everywhere here: what is handed on is not held
    yield from _sorted_ranges(_deal_out(every, column, folder, splitters), column, folder, memory_bytes)


def _sorted_ranges(ranges: dict[int, _Range], column: str, folder: Path, memory_bytes: int) -> Iterator[pa.Table]:
    for number, dealt in sorted(ranges.items()):
        if _is_of_one_text(number):
            yield from _read(dealt.file)
            dealt.file.unlink()
        else:
            yield from _sorted_range(dealt, column, folder / dealt.file.stem, memory_bytes)
    folder.rmdir()


def _sorted_range(dealt: _Range, column: str, folder: Path, memory_bytes: int) -> Iterator[pa.Table]:
    """Sorts the rows of a file, which is deleted before anything is given: no row lies on the disk twice for long."""
    if dealt.num_bytes < memory_bytes:
        table = pa.concat_tables(_read(dealt.file)).combine_chunks()
        dealt.file.unlink()
        yield from _sorted_in_memory(table, column)
        return
    # The first rows stand for all of them no more than in the caller's order: that may be the order of the texts.
    splitters = _choose_splitters(_sample(dealt, column))
    ranges = _deal_out(_gather(_read(dealt.file), memory_bytes), column, folder, splitters)
    dealt.file.unlink()
    yield from _sorted_ranges(ranges, column, folder, memory_bytes)


def _sample(dealt: _Range, column: str) -> pa.Array:
    """Returns the texts of about `_SAMPLE_ROWS` rows at equal distances."""
    every = -(-dealt.num_rows // _SAMPLE_ROWS)
    samples, seen = [], 0
    for table in _read(dealt.file):
        rows = np.arange(-seen % every, table.num_rows, every)
        samples.append(_keys(table.take(pa.array(rows)), column))
        seen += table.num_rows
    return pa.concat_arrays(samples)


def _gather(tables: Iterator[pa.Table], least_bytes: int) -> Iterator[pa.Table]:
    """Puts tables together until they have a number of bytes; only the last may have fewer."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        if size >= least_bytes:
            together = pa.concat_tables(held).combine_chunks()
            held, size = [], 0
            yield together
            del together
    if held:
        yield pa.concat_tables(held).combine_chunks()


@dataclass
class _Range:
    """The rows of one range of the order, in a file."""

    file: Path
    num_rows: int = 0
    num_bytes: int = 0
    """What the rows take in memory."""


def _deal_out(tables: Iterator[pa.Table], column: str, folder: Path, splitters: pa.Array) -> dict[int, _Range]:
    """Writes rows to files by their range, and returns the ranges that have rows."""
    folder.mkdir(parents=True)
    ranges: dict[int, _Range] = {}
    with ExitStack() as stack:
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        for table in tables:
            keys = _keys(table, column)
            for number, rows in _ranges(keys, splitters):
                if number not in writers:
                    ranges[number] = _Range(folder / f"{number}.arrow")
                    sink = stack.enter_context(pa.OSFile(str(ranges[number].file), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, table.schema))
                some = table.take(pa.array(rows))
                writers[number].write_table(some)
                ranges[number].num_rows += some.num_rows
                ranges[number].num_bytes += some.nbytes
            del table, keys, some
    return ranges


def _read(file: Path) -> Iterator[pa.Table]:
    with pa.OSFile(str(file), "rb") as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _sorted_in_memory(table: pa.Table, column: str) -> Iterator[pa.Table]:
    rows_of_piece = max(1, table.num_rows * _PIECE_BYTES // table.nbytes)
    for order in _orders(_keys(table, column)):
        for start in range(0, len(order), rows_of_piece):
            yield table.take(pa.array(order[start : start + rows_of_piece]))


def _orders(keys: pa.Array) -> Iterator[Rows]:
    """Gives the numbers of texts in the order of the texts, some at a time."""
    keys = _without_common_beginning(keys)
    if keys.nbytes <= _PIECE_BYTES or len(keys) <= _SAMPLE_ROWS:
        yield pc.array_sort_indices(keys).to_numpy()
        return
    for number, rows in _ranges(keys, _choose_splitters(keys)):
        if _is_of_one_text(number):
            yield rows
        else:
            yield from (rows[order] for order in _orders(keys.take(pa.array(rows))))


def _ranges(keys: pa.Array, splitters: pa.Array) -> Iterator[tuple[int, Rows]]:
    """Gives the texts of each range, the lowest first: even ones lie between splitters, odd ones on a splitter."""
    below = pc.search_sorted(splitters, keys, side="left").to_numpy()
    numbers = (below + pc.search_sorted(splitters, keys, side="right").to_numpy()).astype(np.int64)
    dealt = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers))
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end > start:
            yield number, dealt[start:end]


def _is_of_one_text(number: int) -> bool:
    """Tells whether a range is a splitter itself. Such rows need no order; so each round settles some."""
    return number % 2 == 1


def _keys(table: pa.Table, column: str) -> pa.Array:
    if table[column].null_count:
        raise BrokenInvariantError(f"{table[column].null_count} of {table.num_rows} rows have no {column}")
    return table[column].combine_chunks().cast(pa.large_binary())


def _choose_splitters(keys: pa.Array) -> pa.Array:
    """Returns up to `_SPLITTERS` different texts, ascending, that cut the others into parts of about the same size."""
    sample = keys.take(pa.array(np.linspace(0, len(keys) - 1, min(len(keys), _SAMPLE_ROWS)).astype(np.int64)))
    ordered = sample.take(pc.array_sort_indices(sample))
    middles = (np.arange(_SPLITTERS) + 0.5) * len(ordered) / _SPLITTERS
    return ordered.take(pa.array(middles.astype(np.int64))).unique()


def _without_common_beginning(keys: pa.Array) -> pa.Array:
    """Cuts off what all texts begin with: comparing it again and again would cost more than all else."""
    ends = pc.min_max(keys)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    length = _common_length(low, high)
    return pc.binary_replace_slice(keys, 0, length, b"")  # binary_slice of pyarrow 26 fails on large offsets


def _common_length(left: bytes, right: bytes) -> int:
    size = min(len(left), len(right))
    differs = np.frombuffer(left, np.uint8, size) != np.frombuffer(right, np.uint8, size)
    return int(differs.argmax()) if differs.any() else size
