"""Lines of text files: encodings, compression, and what is wrong where."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.storage import lines
from engine.storage.lines import NotTextError, UnreadableError, read_lines, read_objects, read_text, unreadable


def test_lines_of_plain_and_gz_files_without_the_byte_order_mark(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"\xef\xbb\xbf" + '{"a": "\u00e9"}\n{"a": "b"}\n'.encode())
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_lines(plain)) == list(read_lines(packed))
    assert "".join(read_lines(plain)) == read_text(plain) == read_text(packed)
    assert [each.values["a"] for each in read_objects(packed)] == ["\u00e9", "b"]


def test_the_first_wrong_byte_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(b'{"a": "fine"}\n{"a": "caf\xe9"}\n')
    for read in (read_objects, read_lines):
        with pytest.raises(NotTextError, match="the byte is 0xe9 in line 2") as caught:
            list(read(file))
        assert caught.value.where == f"{file}: byte 24"
        assert "iconv -f ISO-8859-1" in caught.value.remedy


def test_another_encoding_is_told_by_its_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_bytes("text".encode("utf-16"))
    with pytest.raises(NotTextError) as caught:
        read_text(tmp_path / "wide.txt")
    assert "iconv -f UTF-16" in caught.value.remedy


def test_objects_are_numbered_by_their_lines_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('\n{"a": 1}\n  \n{"a": 2}')
    assert [(each.line, each.values["a"]) for each in read_objects(file)] == [(2, 1), (4, 2)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"a": 1', "malformed JSON (Expecting ',' delimiter at column 8)"),
        ('{"a": "b', "malformed JSON (Unterminated string starting at column 7)"),
        ("a: 1", "malformed JSON (Expecting value at column 1)"),
        ("[1]", "holds a JSON list, not an object"),
        ("3", "holds a JSON int, not an object"),
    ],
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str, what: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(UserError) as caught:
        list(read_objects(file))
    assert (caught.value.what, caught.value.where) == (what, f"{file}:2")


def test_damaged_compressed_data_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(b"line\n" * 1000)[:-12])
    for read in (lambda: list(read_lines(file)), lambda: read_text(file)):
        with pytest.raises(UnreadableError, match="cannot be read") as caught:
            read()
        assert caught.value.where == str(file)
        assert "complete" in caught.value.remedy


def test_a_missing_file_and_a_broken_link_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, remedy in (("missing", "name one that exists"), ("link", "remove the link")):
        with pytest.raises(UnreadableError) as caught:
            read_text(tmp_path / name)
        assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission"),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), "name a file"),
        (OSError(errno.EIO, "Input/output error"), "disk"),
        (gzip.BadGzipFile("CRC check failed"), "damaged"),
        (EOFError("Compressed file ended"), "not complete"),
        (OSError("Couldn't deserialize thrift"), "damaged"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_way_out_depends_on_why_a_file_cannot_be_read(error: Exception, remedy: str) -> None:
    assert remedy in unreadable(Path("a"), error).remedy


@pytest.mark.parametrize("chunk_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_of_the_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, chunk_bytes: int
) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", chunk_bytes)
    file = tmp_path / "a.jsonl"
    content = end.join(['{"a": "\u2028"}', "", '{"a": "caf\u00e9"}', "last"])
    file.write_bytes(content.encode())
    assert list(read_lines(file)) == [f'{{"a": "\u2028"}}{end}', end, f'{{"a": "caf\u00e9"}}{end}', "last"]
    with pytest.raises(UserError) as caught:
        list(read_objects(file))
    assert caught.value.where == f"{file}:4"


def test_a_wrong_byte_behind_carriage_returns_keeps_its_position(tmp_path: Path) -> None:
    file = tmp_path / "mac.csv"
    file.write_bytes(b"id,text\r1,caf\xe9\r")
    with pytest.raises(NotTextError) as caught:
        list(read_lines(file))
    assert caught.value.where == f"{file}: byte 13"
