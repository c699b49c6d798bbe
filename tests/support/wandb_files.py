"""Reads what W&B wrote offline, as `wandb sync` does: protocol buffers in blocks, as LevelDB keeps its log."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FILE_HEADER = struct.Struct("<4sHB")
_RECORD_HEADER = struct.Struct("<IHB")
_BLOCK_BYTES = 32768
_FULL, _LAST = 1, 4


def read_records(file: Path) -> list[Any]:
    """Reads the records of a `.wandb` file."""
    from wandb.proto import wandb_internal_pb2

    records = []
    for content in _contents(file.read_bytes()):
        record: Any = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(content)
        records.append(record)
    return records


def _contents(stored: bytes) -> Iterator[bytes]:
    assert _FILE_HEADER.unpack_from(stored)[0] == b":W&B"
    position, begun = _FILE_HEADER.size, b""
    while position + _RECORD_HEADER.size <= len(stored):
        if _BLOCK_BYTES - position % _BLOCK_BYTES < _RECORD_HEADER.size:
            position += _BLOCK_BYTES - position % _BLOCK_BYTES
            continue
        _, length, kind = _RECORD_HEADER.unpack_from(stored, position)
        position += _RECORD_HEADER.size
        begun += stored[position : position + length]
        position += length
        if kind in (_FULL, _LAST):
            yield begun
            begun = b""
