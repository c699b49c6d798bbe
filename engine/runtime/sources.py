"""What is read off a Python source for fingerprints: its code without remarks, as a hash, and what it may import.

In: a file. Out: both, remembered in the user's cache by the content of the file, since parsing all sources takes a
second of every start. What is remembered depends on nothing else, so that it is never out of date; where it cannot be
kept, sources are parsed anew.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import io
import json
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.storage import digests
from engine.storage.files import write_text

_Span = tuple[tuple[int, int], tuple[int, int]]
"""Line (from 1) and column of the start and of the end of a piece of source."""
_NO_CODE = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_MOST_REMEMBERED = 5000
"""Where more sources are remembered, only those that this process has read stay so."""


@dataclass(frozen=True)
class Source:
    """What a fingerprint needs to know of a source."""

    code: str
    """The SHA-256 of its code, without comments and docstrings."""
    imports: tuple[str, ...]
    """Names that it may import."""


@functools.cache
def read_source(file: Path) -> Source:
    """Reads a source, once per process."""
    return _memory().of(file.read_text(encoding="utf-8"))


def remember_sources() -> None:
    """Keeps what this process had to parse, for the next one."""
    _memory().save()


class _Memory:
    """What earlier processes read off sources, in one JSON file; a damaged file counts as empty."""

    def __init__(self, file: Path) -> None:
        self._file, self._has_more = file, False
        self._reader = hashlib.sha256(Path(__file__).read_bytes())
        self._used: dict[str, Source] = {}
        """By a hash of the source and of this module, whose edits may change what is read off."""
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            self._known = {key: Source(str(code), tuple(imports)) for key, (code, imports) in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    def of(self, text: str) -> Source:
        """Returns what is known of a source, or reads it off."""
        hasher = self._reader.copy()
        hasher.update(text.encode())
        key = hasher.hexdigest()[:32]
        source = self._known.get(key)
        if source is None:
            source = Source(hashlib.sha256(code_of(text).encode()).hexdigest(), tuple(imports_of(text)))
            self._known[key], self._has_more = source, True
        self._used[key] = source
        return source

    def save(self) -> None:
        """Writes the file if there is more to remember."""
        if not self._has_more:
            return
        kept = self._known if len(self._known) <= _MOST_REMEMBERED else self._used
        with contextlib.suppress(OSError):  # a cache that cannot be written costs a second, no more
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._file, json.dumps({key: [source.code, source.imports] for key, source in kept.items()}))
        self._has_more = False


@functools.cache
def _memory() -> _Memory:
    return _Memory(digests.CACHE / "sources.json")


def code_of(source: str) -> str:
    """Returns a Python source without comments, docstrings (those of fields and constants too) and empty lines.

    A statement that is nothing but a string is a docstring. All other text stays as it is written, so that the result
    is the same whichever Python computes it.
    """
    gaps: list[_Span] = []
    statement: list[tokenize.TokenInfo] = []
    texts: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            gaps.append((token.start, token.end))
        elif token.type == tokenize.NEWLINE:
            if all(part.type == tokenize.STRING for part in statement):
                gaps.append((statement[0].start, statement[-1].end))
            elif any("STRING" in tokenize.tok_name[part.type] for part in statement):
                texts.update(range(statement[0].start[0], token.end[0] + 1))
            statement = []
        elif token.type not in _NO_CODE:
            statement.append(token)
    lines = _cut(source.split("\n"), gaps)  # as tokenize counts lines; splitlines knows more ends of lines
    return "\n".join(line for number, line in enumerate(lines, 1) if line.strip() or number in texts)


def _cut(lines: list[str], gaps: list[_Span]) -> list[str]:
    """Returns the lines without what lies in the gaps, and without the blanks that then end them."""
    for (first, start), (last, end) in reversed(gaps):
        rest = lines[last - 1][end:]
        lines[first - 1] = (lines[first - 1][:start] + rest).rstrip()
        lines[first:last] = [""] * (last - first)
    return lines


def imports_of(source: str) -> list[str]:
    """Finds the names that a source may import; `from a import b` may mean the module `a.b`.

    Imports that only a type checker sees are left out.
    """
    names: list[str] = []
    for statement in _statements(ast.parse(source).body):
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names += [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]
    return names


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Walks the statements at every depth, but for those that only a type checker sees; those of an `else` run."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            if name != "body" or not _is_for_types(statement):
                inner = getattr(statement, name, ())
                yield from _statements(inner if isinstance(inner, list) else ())


def _is_for_types(statement: ast.AST) -> bool:
    if not isinstance(statement, ast.If):
        return False
    return "TYPE_CHECKING" in [getattr(statement.test, name, "") for name in ("id", "attr")]
