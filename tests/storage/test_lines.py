"""Lines of text files: encodings and what is wrong where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage.lines import read_lines, read_objects


def test_lines_of_plain_and_gz_files_without_the_byte_order_mark(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + '{"a": "\u00e9"}\n{"a": "b"}\n'.encode())
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_lines(plain)) == list(read_lines(packed))
    assert [found.values["a"] for found in read_objects(packed)] == ["\u00e9", "b"]


def test_the_first_wrong_byte_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(b'{"a": "fine"}\n{"a": "caf\xe9"}\n')
    with pytest.raises(UserError, match="0xe9"):
        list(read_objects(file))
