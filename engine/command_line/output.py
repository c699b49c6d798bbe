"""Standard output that never ends in a traceback: it falls back to plain characters, and reports a full disk in a line.

In: `sys.stdout` as Python opened it. Out: for as long as a command runs, one in its place. What an encoding such as
ASCII lacks is written in plain characters; a full disk behind `> FILE` is a UserError; and a reader that has left
(`| head`) ends the command quietly.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from engine.errors import StoppedEarly, UserError
from engine.runtime.secrets import redacted
from engine.visible import visible

READER_LEFT = 141
"""The exit code after the reader of a pipe has left: that of a program which the signal SIGPIPE ends."""
_SHOWN = 40
"""Characters that are shown of a name that is too long."""
_LONGEST_NAME_BYTES = 255
_PLAIN_CHARACTERS = {
    **dict.fromkeys("\N{MIDDLE DOT}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{NON-BREAKING HYPHEN}", "-"),
    **dict.fromkeys("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"'),
    **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{PLUS-MINUS SIGN}": "+/-",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{BULLET}": "*",
    "\N{NO-BREAK SPACE}": " ",
}
"""The characters beside ASCII that synthmill and its tables write, in ASCII; rich draws its own lines by itself."""


class StandardOutput(io.TextIOWrapper):
    """Writes to what another text stream writes to, and says in one line why it cannot."""

    def write(self, text: str, /) -> int:
        """Writes a text.

        Raises:
            UserError: nothing can be written there.
            SystemExit: nobody reads any longer.
        """
        with self._explaining():
            return super().write(text)

    def flush(self) -> None:
        """Writes what has gathered, and raises as `write` does."""
        with self._explaining():
            super().flush()

    def close(self) -> None:
        """Flushes and leaves what lies below open: it belongs to the stream that Python opened."""
        if not self.buffer.closed:
            self.flush()

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._leave()
            raise SystemExit(READER_LEFT) from None
        except OSError as error:
            self._leave()
            remedy = "free some space there, or send the output somewhere else"
            raise UserError(f"cannot be written ({error.strerror})", where="standard output", remedy=remedy) from error

    def _leave(self) -> None:
        """Sends what is still to be written to /dev/null, so that Python does not fail on it again when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """Puts a `StandardOutput` in the place of `sys.stdout` for as long as the block lasts.

    Raises:
        UserError: nothing can be written there.
        SystemExit: nobody reads any longer.
    """
    before: TextIO | None = sys.stdout
    if before is None:  # with `>&-` it was closed before the start
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            yield
        return
    if not isinstance(before, io.TextIOWrapper):  # the stream of a notebook
        yield
        return
    codecs.register_error("synthmill", _in_plain_characters)
    errors = "synthmill" if before.errors == "strict" else before.errors
    before.flush()
    output = StandardOutput(
        before.buffer, encoding=before.encoding, errors=errors, line_buffering=before.line_buffering
    )
    sys.stdout = output
    try:
        yield
    except BaseException:
        with contextlib.suppress(UserError, SystemExit):  # the error that ended the command comes first
            output.flush()
        raise
    else:
        output.flush()
    finally:
        sys.stdout = before
        _leave_to_no_logger(output)


@contextlib.contextmanager
def exit_codes_in_hydra() -> Iterator[None]:
    """Ends the process as `main` does, where Hydra calls what may refuse something: it would print a traceback.

    Raises:
        SystemExit: with 2 for a UserError, and 3 for a run that ended early.
    """
    try:
        with naming_a_long_name():
            yield
    except UserError as error:
        sys.stderr.write(visible(f"synthmill: {redacted(str(error))}\n"))
        raise SystemExit(2) from error
    except StoppedEarly as end:
        sys.stderr.write(visible(f"synthmill: {end}; what was committed is kept, the same command goes on\n"))
        raise SystemExit(3) from end


@contextlib.contextmanager
def naming_a_long_name() -> Iterator[None]:
    """Says in one line that a file or folder has a longer name, or path, than the system allows, whoever asked for it.

    Raises:
        UserError: it has; the beginning is shown.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        path = os.fsdecode(error.filename or "")
        name = max(Path(path).parts, key=len, default="")
        what, remedy = "is a longer name than the file system allows", "name it by a shorter one, of at most 255 bytes"
        if len(os.fsencode(name)) <= _LONGEST_NAME_BYTES:  # it is all of them together
            name, what, remedy = path, "is a longer path than the system allows", "name a folder by a shorter path"
        raise UserError(what, where=f"{name[:_SHOWN]}...", remedy=remedy) from error


def _leave_to_no_logger(output: StandardOutput) -> None:
    """Takes a stream from the root logger, where Hydra puts the one that it found: records come after it is closed."""
    for handler in logging.getLogger().handlers[:]:
        if isinstance(handler, logging.StreamHandler) and handler.stream is output:
            logging.getLogger().removeHandler(handler)


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Writes characters that the encoding lacks as near ones, or as the escapes of Python's strings."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    escaped = (_PLAIN_CHARACTERS.get(each) or each.encode("ascii", "backslashreplace").decode() for each in missing)
    return "".join(escaped), error.end
