"""Finds out what a path holds, and reads it with the reader that fits.

In: `documents.path`, a reader or `auto`, field names. Out: `SourceDocument`s one at a time, in an order that
depends on the content alone. What is wrong with the path is said by `find_source`, before anything is read, so
that a run with a mistake in it never starts.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.documents.readers.document import SourceDocument
from engine.documents.readers.fields import Fields
from engine.documents.readers.files import read_squad, read_tree
from engine.documents.readers.listing import TREE_SUFFIXES, benchmark_files, data_files, is_about_data, tree_files
from engine.documents.readers.rows import read_csv, read_jsonl, read_parquet
from engine.errors import UserError
from engine.storage.listing import CSV_ENDINGS, JSONL_ENDINGS, PARQUET_ENDINGS


class Reader(Enum):
    """The forms of input that documents are read from."""

    auto = "auto"
    """The form that the path turns out to hold."""
    beir = "beir"
    """A folder with corpus.jsonl (or corpus.jsonl.gz)."""
    jsonl = "jsonl"
    """One JSON object per line; a file or a folder of them."""
    csv = "csv"
    """A table as text, its delimiter told by its header; a file or a folder of them."""
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
    Reader.jsonl: JSONL_ENDINGS,
    Reader.csv: CSV_ENDINGS,
    Reader.parquet: PARQUET_ENDINGS,
    Reader.squad: (".json", ".json.gz"),
    Reader.tree: TREE_SUFFIXES,
}
"""The endings by which a file's reader is known."""
TABLES = (Reader.jsonl, Reader.csv, Reader.parquet)
"""The readers of rows."""
CORPUS_NAMES = ("corpus.jsonl", "corpus.jsonl.gz")
"""The file of a BEIR folder that has its documents."""
CORPUS_FOLDER = "corpus"
"""The folder of a hub's collection that has its documents."""
SHOWN_NAMES = 5
"""The number of files that a sentence names."""


@dataclass(frozen=True)
class Source:
    """Documents that exist: the reader (never `auto`), the path as given, and the files that will be read."""

    reader: Reader
    path: Path
    files: tuple[Path, ...]

    def remarks(self) -> Iterator[str]:
        """Says which files of a folder of tables are read, and which of its files are not."""
        if self.reader not in TABLES or self.path.is_file():
            return
        further_down = any(file.parent != self.path for file in self.files)
        rest = set(data_files(self.path, SUFFIXES[self.reader])) - set(self.files)
        rest.update(tree_files(self.path), benchmark_files(self.path))
        if further_down or rest:
            left_out = f"; left out are {self._names(sorted(rest))}" if rest else ""
            yield f"read are {self._names(self.files)}{left_out}"

    def _names(self, files: Sequence[Path]) -> str:
        names = [file.relative_to(self.path).as_posix() for file in files]
        more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
        return ", ".join(names[:SHOWN_NAMES]) + more


def find_source(path: str, reader: Reader, *, key: str = "documents.path") -> Source:
    """Finds which reader reads which files, without reading them.

    Args:
        path: as the user wrote it.
        reader: the one that was asked for, or `auto`.
        key: the config key that the user wrote the path under, for messages.

    Raises:
        UserError: no path, a missing one, one that holds nothing readable or several things, or one that the
            reader does not fit.
    """
    where = f"{key}={path}"
    if reader in {Reader.python, Reader.blank}:
        if path:
            what = f"is not read by documents.reader={reader.value}"
            remedy = "set documents.reader=auto, or leave out documents.path and collection"
            raise UserError(what, where=where, remedy=remedy)
        return Source(reader, Path(), ())
    if not path:
        remedy = "set documents.path=FOLDER_OR_FILE or collection=BEIR_FOLDER"
        raise UserError("no documents are named", where="documents.path=''", remedy=remedy)
    location = Path(path).expanduser()
    if not location.exists():
        raise UserError("does not exist", where=where, remedy=_nearest(location))
    if not os.access(location, os.R_OK):
        remedy = "give yourself the permission, or name another path"
        raise UserError("may not be read", where=where, remedy=remedy)
    chosen = _choose(location, where) if reader is Reader.auto else reader
    return Source(chosen, location, tuple(_files(location, where, chosen)))


def read_documents(
    source: Source, fields: Fields | None = None, tell: Callable[[str], object] = lambda _: None
) -> Iterator[SourceDocument]:
    """Gives the documents of a source, one at a time.

    Args:
        source: what `find_source` found.
        fields: names of the fields of rows; those left empty are found by their usual names.
        tell: is called with a sentence where a file is read in a way that it does not name itself.

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
            return read_csv(source.files, fields or Fields(), tell)
        case Reader.parquet:
            return read_parquet(source.files, fields or Fields())
        case Reader.beir | Reader.jsonl:
            return read_jsonl(source.files, fields or Fields())
        case Reader.auto:
            raise AssertionError("find_source chooses the reader")


def _read_nothing(reader: Reader) -> Iterator[SourceDocument]:
    """Gives documents that are in no file: those of Python, or numbers without end."""
    if reader is Reader.blank:
        return (SourceDocument(f"blank-{number:07d}", "", str(number)) for number in itertools.count(1))
    from engine.documents.readers.python_docs import read_in_fresh_interpreter

    return read_in_fresh_interpreter()


def _choose(location: Path, where: str) -> Reader:
    """Chooses the reader for what a path holds, and never guesses between two; `where` begins the message."""
    if location.is_file():
        reader = _reader_of(location)
        if reader is None:
            known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
            remedy = f"set documents.reader; known are {known}"
            raise UserError(f"its ending {location.suffix!r} tells no reader", where=where, remedy=remedy)
        return reader
    if _corpus(location):
        return Reader.beir
    kinds = _kinds(location)
    if len(kinds) > 1:
        listed = " and ".join(sorted(reader.value for reader in kinds))
        what = f"holds files for several readers: {listed}"
        raise UserError(what, where=where, remedy="choose one with documents.reader=...")
    if not kinds:
        remedy = f"name a folder with documents; {_readable()}{_hidden(location)}"
        raise UserError("holds no readable files", where=where, remedy=remedy)
    return kinds.pop()


def _kinds(location: Path) -> set[Reader]:
    """Finds the readers that a folder has files for.

    Beside texts, tables that lie further down belong to something else, and JSON files hold settings. A README or a
    licence alone is no collection where there are tables: it says what they are.
    """
    files = {reader: _data_files(location, reader) for reader in (*TABLES, Reader.squad)}
    readers = {reader for reader in files if files[reader]}
    inside = {reader for reader in readers if files[reader][0].parent == location}
    texts = tree_files(location)
    if texts and not all(map(is_about_data, texts)):
        return {Reader.tree, *inside} - {Reader.squad}
    tables = inside.intersection(TABLES) or readers.intersection(TABLES)
    return tables or ({Reader.tree, *readers} if texts else readers)


def _readable() -> str:
    """Says what could have been read, for messages."""
    endings = sorted({ending for suffixes in SUFFIXES.values() for ending in suffixes})
    return f"readable are {CORPUS_NAMES[0]} (BEIR) and files that end in {', '.join(endings)}"


def _files(location: Path, where: str, reader: Reader) -> list[Path]:
    """Lists the files that a reader finds at a path, in the order of reading; `where` begins the message."""
    if reader is Reader.beir:
        corpus = _corpus(location)
        if corpus is None:
            remedy = "name a BEIR folder, or set documents.reader=auto"
            raise UserError("holds no corpus.jsonl", where=where, remedy=remedy)
        return [corpus]
    if location.is_file():
        return [location]
    files = tree_files(location) if reader is Reader.tree else _data_files(location, reader)
    if not files:
        endings = ", ".join(SUFFIXES[reader])
        remedy = f"set documents.reader=auto, or name a folder with such files; {_readable()}{_hidden(location)}"
        raise UserError(f"holds no readable files ({endings})", where=where, remedy=remedy)
    if reader is Reader.squad and len(files) > 1:
        raise UserError(f"holds {len(files)} JSON files", where=where, remedy="name one of them")
    return files


def _corpus(location: Path) -> Path | None:
    """Finds the corpus file of a BEIR folder, or the file itself."""
    if location.is_file():
        return location
    return next((location / name for name in CORPUS_NAMES if (location / name).is_file()), None)


def _data_files(location: Path, reader: Reader) -> list[Path]:
    """Lists the files of a folder that a reader of data reads: those in it, else in `corpus/`, else any below it."""
    files = data_files(location, SUFFIXES[reader])
    inside = [file for file in files if file.parent == location]
    return inside or [file for file in files if location / CORPUS_FOLDER in file.parents] or files


def _hidden(location: Path) -> str:
    """Says which files were taken for queries and judgements, so that one can be named where it holds documents."""
    files = benchmark_files(location)
    return f"; {files[0].name} is taken for queries or judgements unless it is named itself" if files else ""


def _reader_of(file: Path) -> Reader | None:
    """Finds the reader for files of that name; None where there is none."""
    name = file.name.lower()
    return next((reader for reader, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def _nearest(location: Path) -> str:
    """Makes a remedy that names the deepest part of a path that does exist."""
    parent = next((folder for folder in location.absolute().parents if folder.exists()), Path("/"))
    return f"name a folder or file that exists (its parents exist up to {parent})"
