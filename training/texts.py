"""Columns of texts on disk: what is trained on may be more than memory holds.

In: texts, some at a time, and a folder. Out: an Arrow array over a file without a name, which the kernel maps into
memory: a text costs the process a few integers, and its page is there while it is looked at.
"""

from __future__ import annotations

from array import array
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.text.hashes import text_hashes


class Texts:
    """A column of texts, put together of pieces in a file without a name, which is mapped into memory and not read.

    Args:
        folder: where the file lies; that of the system where there is none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `whole`
        self._lengths = array("i")

    def add(self, texts: pa.Array) -> None:
        """Adds the next texts."""
        large = texts.cast(pa.large_string())
        self._lengths.frombytes(pc.binary_length(large).cast(pa.int32()).to_numpy().tobytes())
        self._file.write(_bytes(large).data)

    def whole(self) -> pa.Array:
        """Returns the texts in one piece: training takes rows by number, and of many pieces every take would copy all.

        Pages of the file are in memory while they are used, and given back where memory is short. It goes with the
        texts.
        """
        offsets = np.zeros(len(self._lengths) + 1, np.int64)
        np.cumsum(self._lengths, out=offsets[1:])
        self._file.flush()
        mapped = mmap(self._file.fileno(), int(offsets[-1]), access=ACCESS_READ) if offsets[-1] else b""
        self._file.close()
        return pa.LargeStringArray.from_buffers(len(self._lengths), pa.py_buffer(offsets), pa.py_buffer(mapped))


def _bytes(texts: pa.LargeStringArray) -> NDArray[np.uint8]:
    """Returns the bytes of all texts, one text behind the other."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[[texts.offset, texts.offset + len(texts)]]
    return np.frombuffer(data or b"", np.uint8)[ends[0] : ends[1]]


class DistinctTexts:
    """A column of texts that come again and again, put together of pieces; a text is told by its hash and held once.

    Args:
        folder: where the texts lie; that of the system where there is none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._code_of: dict[int, int] = {}
        self._codes = [np.empty(0, np.int32)]
        self._texts = Texts(folder)

    def add(self, texts: pa.Array) -> None:
        """Adds the next texts."""
        hashes, first, inverse = np.unique(text_hashes(texts.to_pylist()), return_index=True, return_inverse=True)
        is_new = np.array([text not in self._code_of for text in hashes.tolist()], np.bool_)
        self._code_of.update(zip(hashes[is_new].tolist(), range(len(self._code_of), 1 << 31), strict=False))
        self._texts.add(texts.take(pa.array(first[is_new])))
        codes = np.array([self._code_of[text] for text in hashes.tolist()], np.int32)
        self._codes.append(codes[inverse])

    def whole(self) -> pa.DictionaryArray:
        """Returns the texts in one piece."""
        return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(self._codes)), self._texts.whole())
