"""Many texts on the disk, taken by number: a step may compare ten million queries that do not fit into memory.

In: texts in any number of pieces. Out: a file of their bytes, one of where each begins, and the texts that are asked
for. Several processes may read the same files at once, and share the pages that the system keeps of them.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import BrokenInvariantError

Numbers = npt.NDArray[np.int64]
"""Numbers of texts, (n,)."""

_TEXTS_AT_ONCE = 1 << 16
"""Texts that are Python strings at a time."""


class TextColumn(Protocol):
    """Texts by number: an Arrow array, or a file of them."""

    def __len__(self) -> int:
        """Returns the number of texts."""

    def take(self, numbers: pa.Array) -> pa.Array:
        """Returns the texts of some numbers, in that order."""


class TextWriter:
    """Writes texts to a file that `Texts` reads.

    Args:
        file: where to; what tells the texts apart lies beside it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream = file.open("wb")
        self._ends = [np.zeros(1, np.int64)]

    def __enter__(self) -> TextWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        np.save(_ends_file(self._file), np.concatenate(self._ends))

    def add(self, texts: pa.Array) -> None:
        """Writes the next texts, none of which is null."""
        if texts.null_count:
            raise BrokenInvariantError(f"{texts.null_count} of {len(texts)} texts for {self._file} are missing")
        if not len(texts):
            return
        texts = texts.cast(pa.large_string())
        _, offset_buffer, data = texts.buffers()
        offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        if offsets[-1] > offsets[0]:
            self._stream.write(memoryview(data)[offsets[0] : offsets[-1]])
        self._ends.append(offsets[1:] - offsets[0] + self._ends[-1][-1])


class Texts:
    """The texts of a file; in memory is where each begins, 8 bytes a text, and what was asked for.

    Args:
        file: what a TextWriter has written to its end.
    """

    def __init__(self, file: Path) -> None:
        self._ends: Numbers = np.load(_ends_file(file), mmap_mode="r")
        with file.open("rb") as stream:
            size = int(self._ends[-1])
            self._bytes = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) if size else None

    def __len__(self) -> int:
        return len(self._ends) - 1

    def take(self, numbers: pa.Array) -> pa.Array:
        """Returns the texts of some numbers, in that order, as large strings."""
        chosen = np.asarray(numbers, np.int64)
        starts, ends = self._ends[chosen], self._ends[chosen + 1]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
        return pa.LargeStringArray.from_buffers(
            len(chosen), pa.py_buffer(offsets), pa.py_buffer(self._read(starts, ends))
        )

    def _read(self, starts: Numbers, ends: Numbers) -> bytes:
        if self._bytes is None:
            return b""
        with memoryview(self._bytes) as view:
            joined = b"".join(view[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
        # What was read stays in the system's cache, but counts no longer as this process's memory.
        self._bytes.madvise(mmap.MADV_DONTNEED)
        return joined


class ChosenTexts(Sequence[str]):
    """Some texts of a column, read when they are asked for; as strings, or as a column of their own.

    Args:
        texts: the column.
        numbers: which of its texts, (n,).
    """

    def __init__(self, texts: TextColumn, numbers: Numbers) -> None:
        self._texts, self._numbers = texts, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self, numbers: pa.Array) -> pa.Array:
        """Returns the texts of some numbers among the chosen ones, in that order."""
        return self._texts.take(pa.array(self._numbers[np.asarray(numbers)]))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        texts: list[str] = self._texts.take(pa.array(np.atleast_1d(self._numbers[index]))).to_pylist()
        return texts if isinstance(index, slice) else texts[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _TEXTS_AT_ONCE):
            yield from self[start : start + _TEXTS_AT_ONCE]


def _ends_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.ends.npy")
