"""Lines and JSON objects of a text file, with the file and line of whatever is wrong.

In: a UTF-8 file, plain or gz-compressed. Out: one line or object at a time, numbered from 1. Bytes are decoded
line by line, so that a bad one is named by its position and nothing has to fit in memory. A line ends with a line feed,
a carriage return or both, since spreadsheets still write files with carriage returns alone.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from engine.errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of every gz file."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs write before UTF-8 text."""
CHUNK_BYTES = 1 << 20
"""Bytes that are read at a time."""
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks of other encodings, by which the remedy names the right one."""


class NotTextError(UserError):
    """A file that is not UTF-8."""


class UnreadableError(UserError):
    """A file that the system or gzip refuses to give."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One line of a JSONL file."""

    line: int
    """The number of the line, from 1; blank lines count."""
    values: dict[str, object]


def read_lines(file: Path) -> Iterator[str]:
    """Gives the lines of a file with their ends, decoded; a byte order mark is dropped.

    Raises:
        UserError: a byte is not UTF-8 (file, byte and line named), the gz data is damaged, or the file cannot be read.
    """
    position = 0
    try:
        with open_bytes(file) as stream:
            for number, raw in enumerate(_raw_lines(stream), 1):
                yield decode(raw, file, position, number)
                position += len(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(file, error) from error


def _raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends, whichever of the three kinds they are."""
    held: list[bytes] = []
    while chunk := stream.read(CHUNK_BYTES):
        held.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            continue
        *lines, rest = b"".join(held).splitlines(keepends=True)
        yield from lines
        if rest.endswith(b"\n"):  # but a carriage return may be the first half of an end
            yield rest
            rest = b""
        held = [rest]
    yield from b"".join(held).splitlines(keepends=True)


def read_text(file: Path) -> str:
    """Reads a whole file, decoded; a byte order mark is dropped.

    Raises:
        UserError: as for `read_lines`.
    """
    try:
        with open_bytes(file) as stream:
            return decode(stream.read(), file, 0)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(file, error) from error


def read_objects(file: Path) -> Iterator[JsonObject]:
    """Gives the objects of a JSONL file in their order; blank lines are skipped.

    Raises:
        UserError: a line is not JSON or not an object, with file and line.
    """
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line.rstrip())  # else a line that stops short is faulted at column 1 of the next
        except (ValueError, RecursionError) as error:
            fail_json(error, f"{file}:{number}", "write one JSON object per line")
        if not isinstance(values, dict):
            raise UserError(
                f"holds a JSON {type(values).__name__}, not an object",
                where=f"{file}:{number}",
                remedy='write one object per line, as in {"_id": "1", "text": "..."}',
            )
        yield JsonObject(number, values)


def read_json(file: Path, remedy: str) -> Any:
    """Parses a file that is one JSON value; it is held in memory whole.

    Args:
        file: the file.
        remedy: what a user can do where it is malformed.

    Raises:
        UserError: it cannot be read, or is malformed, with its line.
    """
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        fail_json(error, f"{file}:{line}", remedy)


def fail_json(error: Exception, where: str, remedy: str) -> NoReturn:
    """Raises the UserError for text that `json` refused.

    Raises:
        UserError: always, with the column where `json` names one.
    """
    column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    problem = error.msg.removesuffix(" at") if isinstance(error, json.JSONDecodeError) else str(error)
    raise UserError(f"malformed JSON ({problem}{column})", where=where, remedy=remedy) from None


def open_bytes(file: Path) -> BinaryIO:
    """Opens a plain or a gz file for reading; which of them is told by its first bytes, not its name."""
    with file.open("rb") as stream:
        compressed = stream.read(2) == GZIP_MAGIC
    return cast(BinaryIO, gzip.open(file, "rb")) if compressed else file.open("rb")


def decode(raw: bytes, file: Path, position: int, line: int = 0) -> str:
    """Decodes a piece of a UTF-8 file.

    Args:
        raw: the piece.
        file: where it is from, for the message.
        position: where `raw` starts in the uncompressed file, in bytes; a byte order mark at 0 is dropped.
        line: the number of the line that the piece is, from 1, for the message; 0 where it is none.

    Raises:
        NotTextError: a byte is not UTF-8; its position is named, and the encoding that the file may have.
    """
    if position == 0 and raw.startswith(BYTE_ORDER_MARK):
        raw, position = raw[len(BYTE_ORDER_MARK) :], len(BYTE_ORDER_MARK)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = position + error.start
        encoding = next((name for mark, name in _OTHER_MARKS.items() if raw.startswith(mark)), "ISO-8859-1")
        raise NotTextError(
            f"is not UTF-8: the byte is 0x{raw[error.start]:02x}" + (f" in line {line}" if line else ""),
            where=f"{file}: byte {byte}",
            remedy=f"convert it, for example with `iconv -f {encoding} -t UTF-8`",
        ) from None


def unreadable(file: Path, error: Exception) -> UnreadableError:
    """Returns the error for a file that the system, gzip or Arrow refuses to give; `error` is what they raised."""
    what = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UnreadableError(f"cannot be read ({what})", where=str(file), remedy=_remedy(file, error))


def _remedy(file: Path, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "remove the link, or bring back what it leads to" if file.is_symlink() else "name one that exists"
        case PermissionError():
            return "give yourself the permission to read it, or name another"
        case IsADirectoryError():
            return "name a file"
        case OSError(errno=int()):
            return "check the disk, or the mount, that it lies on"
    return "it is damaged, not complete, or not what its ending says: write it once more, or name another"
