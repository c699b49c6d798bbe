"""Finds out what a path holds and reads it: the one door through which documents come in.

In: `documents.path`, a reader or `auto`, field names. Out: `SourceDocument`s one at a time, in an order that
depends on the content alone. What is wrong with the path is said by `find_source`, before anything is read, so
that a run with a mistake in it never starts.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.files import TREE_SUFFIXES, read_squad, read_tree, tree_files
from engine.documents.readers.rows import Fields, read_csv, read_jsonl, read_parquet
from engine.errors import UserError


class Reader(Enum):
    """What the documents are read from."""

    auto = "auto"
    """Whatever the path turns out to hold."""
    beir = "beir"
    """A folder with corpus.jsonl (or corpus.jsonl.gz)."""
    jsonl = "jsonl"
    """One JSON object per line; a file or a folder of them."""
    csv = "csv"
    """A table with a header, its delimiter told by the header; a file or a folder of them."""
    parquet = "parquet"
    """A Parquet file or a folder of them."""
    tree = "tree"
    """A folder of text, Markdown, reStructuredText and HTML files, or one of them."""
    squad = "squad"
    """A JSON file of the SQuAD form; each paragraph is a document."""
    python = "python"
    """The documentation of the Python that runs; `documents.path` stays empty."""
    blank = "blank"
    """Numbers in place of documents, for tasks that read none; `documents.limit` says how many."""


SUFFIXES = {
    Reader.jsonl: (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"),
    Reader.csv: (".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    Reader.parquet: (".parquet",),
    Reader.squad: (".json", ".json.gz"),
    Reader.tree: TREE_SUFFIXES,
}
"""Names by which a file's reader is known."""


CORPUS_NAMES = ("corpus.jsonl", "corpus.jsonl.gz")


@dataclass(frozen=True)
class Source:
    """Documents that exist: the reader (never `auto`), the path as given, and the files that will be read."""

    reader: Reader
    path: Path
    files: tuple[Path, ...]


def find_source(path: str, reader: Reader) -> Source:
    """Settles which reader reads which files, without reading them.

    Raises:
        UserError: no path, a missing one, one that holds nothing readable or several things, or one that the
            reader does not fit.
    """
    if reader in {Reader.python, Reader.blank}:
        if path:
            raise _error(
                path,
                f"is not read by documents.reader={reader.value}",
                "set documents.reader=auto, or leave out documents.path and collection",
            )
        return Source(reader, Path(), ())
    if not path:
        raise _error(path, "no documents are named", "set documents.path=FOLDER_OR_FILE or collection=BEIR_FOLDER")
    found = Path(path).expanduser()
    if not found.exists():
        raise _error(path, "does not exist", _nearest(found))
    if not os.access(found, os.R_OK):
        raise _error(path, "may not be read", "give yourself the permission, or name another path")
    settled = _choose(found, path) if reader is Reader.auto else reader
    return Source(settled, found, tuple(_files(found, path, settled)))


def read_documents(source: Source, fields: Fields | None = None) -> Iterator[SourceDocument]:
    """The documents of a source, streaming.

    Raises:
        UserError: whatever is wrong in a file, with the file and the line, row or byte.
    """
    match source.reader:
        case Reader.python | Reader.blank:
            return _read_nothing(source.reader)
        case Reader.tree:
            return read_tree(source.path, source.files)
        case Reader.squad:
            return read_squad(source.files[0])
        case Reader.csv:
            return read_csv(source.files, fields or Fields())
        case Reader.parquet:
            return read_parquet(source.files, fields or Fields())
        case Reader.beir | Reader.jsonl:
            return read_jsonl(source.files, fields or Fields())
        case Reader.auto:
            raise AssertionError("find_source settles the reader")


def _read_nothing(reader: Reader) -> Iterator[SourceDocument]:
    """Documents that lie nowhere: Python's own, or numbers without end."""
    if reader is Reader.blank:
        return (SourceDocument(f"blank-{number:07d}", "", str(number)) for number in itertools.count(1))
    from engine.documents.readers.python_docs import read_in_fresh_interpreter

    return read_in_fresh_interpreter()


def _choose(found: Path, path: str) -> Reader:
    """The reader for what a path holds; never a guess between two."""
    if found.is_file():
        reader = _reader_of(found)
        if reader is None:
            known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
            raise _error(
                path, f"its ending {found.suffix!r} tells no reader", f"set documents.reader; known are {known}"
            )
        return reader
    if _corpus(found):
        return Reader.beir
    counts = Counter(filter(None, map(_reader_of, _shown(found))))
    if tree_files(found):
        counts[Reader.tree] += 1
    if len(counts) > 1:
        counts.pop(Reader.squad, None)  # trees of text often hold settings in JSON
    if len(counts) > 1:
        kinds = " and ".join(sorted(reader.value for reader in counts))
        raise _error(path, f"holds files for several readers: {kinds}", "choose one with documents.reader=...")
    if not counts:
        raise _error(path, "holds no readable files", f"name a folder with documents; {_readable()}")
    return next(iter(counts))


def _readable() -> str:
    every = sorted({ending for endings in SUFFIXES.values() for ending in endings})
    return f"readable are {CORPUS_NAMES[0]} (BEIR) and files that end in {', '.join(every)}"


def _files(found: Path, path: str, reader: Reader) -> list[Path]:
    """The files that a reader finds at a path, in the order of reading."""
    if reader is Reader.beir:
        corpus = _corpus(found)
        if corpus is None:
            raise _error(path, "holds no corpus.jsonl", "name a BEIR folder, or set documents.reader=auto")
        return [corpus]
    if found.is_file():
        return [found]
    if reader is Reader.tree:
        files = tree_files(found)
    else:
        files = [file for file in _shown(found) if _reader_of(file) is reader]
    if not files:
        endings = ", ".join(SUFFIXES[reader])
        raise _error(
            path,
            f"holds no readable files ({endings})",
            f"set documents.reader=auto, or name a folder with such files; {_readable()}",
        )
    if reader is Reader.squad and len(files) > 1:
        raise _error(path, f"holds {len(files)} JSON files", "name one of them")
    return files


def _corpus(found: Path) -> Path | None:
    """The corpus file of a BEIR folder, or the file itself."""
    if found.is_file():
        return found
    return next((found / name for name in CORPUS_NAMES if (found / name).is_file()), None)


def _shown(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith((".", "_")))


def _reader_of(file: Path) -> Reader | None:
    name = file.name.lower()
    return next((reader for reader, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def _nearest(found: Path) -> str:
    """A remedy that names the deepest part of a path that does exist."""
    parent = next((folder for folder in found.absolute().parents if folder.exists()), Path("/"))
    return f"name a folder or file that exists (its parents exist up to {parent})"


def _error(path: str, what: str, remedy: str) -> UserError:
    return UserError(what, where=f"documents.path={path or repr(path)}", remedy=remedy)
