"""Finds the files of examples that a path names, and reads their records.

In: `examples.path`. Out: the files, of one kind, and their records one by one, each with its place (`FILE:LINE`, or
`FILE: row ROW`) and the split that its file is named after. Whatever is wrong with the path is said before anything is
read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.errors import UserError
from engine.given.json_files import read_json_records
from engine.given.saved_datasets import is_saved_dataset, read_saved, saved_files
from engine.given.split_names import HELD_OUT, TRAIN, split_of_name
from engine.storage.csv_records import table_rows
from engine.storage.lines import read_objects
from engine.storage.listing import CSV_ENDINGS, JSONL_ENDINGS, PARQUET_ENDINGS, with_endings
from engine.storage.looking import LOOK_FILES, LOOK_LINES
from engine.storage.parquet_records import parquet_rows

KEY = "examples.path"
"""The config key that names the files, for messages."""


class Kind(Enum):
    """What examples are read from, by the endings of files."""

    jsonl = JSONL_ENDINGS
    """One JSON object per line."""
    csv = CSV_ENDINGS
    """A table as text with a header."""
    parquet = PARQUET_ENDINGS
    """Columns with their types."""
    json = (".json", ".json.gz")
    """The form of SQuAD, or an array of objects, as KLUE's are."""
    saved = ()
    """A folder that `save_to_disk` of Hugging Face datasets wrote."""


@dataclass(frozen=True)
class Source:
    """The files of one kind that a path names, in the order of reading."""

    kind: Kind
    path: Path
    files: tuple[Path, ...]

    def splits(self) -> list[str]:
        """Returns the split of each file: "train", "validation", or "" for all where the names do not tell both.

        The name of a file counts, or else that of the nearest folder which names one: Parquet of a hub lies so.
        """
        names = [_split_of_path(file.relative_to(self.path)) for file in self.files]
        return [name or TRAIN for name in names] if {TRAIN, HELD_OUT} <= {*names} else ["" for _ in names]


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a file."""

    place: str
    """Where it stands."""
    values: Mapping[str, object]
    split: str
    """The split that its file or data set is named after; empty where that says nothing."""
    reason: str = ""
    """Why it is rejected, whatever it holds; empty where it is not."""


def find_source(path: str, key: str = KEY, meant: str = "examples") -> Source:
    """Finds the files of examples, without reading them.

    Args:
        path: a file, or a folder, as the user wrote it.
        key: the config key that it was written under, for messages.
        meant: what the files should hold, for messages.

    Raises:
        UserError: there are none, or they are of several kinds.
    """
    where, location = f"{key}={path}", Path(path).expanduser()
    endings = ", ".join(ending for kind in Kind for ending in kind.value)
    if not location.exists():
        raise UserError("does not exist", where=where, remedy=f"name a file of {meant}, or a folder of such files")
    if location.is_file():
        kind = next((kind for kind in Kind if location.name.lower().endswith(kind.value)), None)
        if kind is None:
            raise UserError(f"its ending {location.suffix!r} tells no kind", where=where, remedy=f"known are {endings}")
        return Source(kind, location, (location,))
    if is_saved_dataset(location):
        return Source(Kind.saved, location, tuple(saved_files(location)))
    files = {kind: with_endings(location, kind.value) for kind in Kind if kind.value}
    kinds = [kind for kind in files if files[kind]]
    kinds = [kind for kind in kinds if kind is not Kind.json] or kinds  # JSON beside tables is about them
    if len(kinds) > 1:
        listed = " and ".join(sorted(kind.name for kind in kinds))
        raise UserError(f"holds files of several kinds: {listed}", where=where, remedy="name a file or another folder")
    if not kinds:
        raise UserError("holds no readable files", where=where, remedy=f"readable are files that end in {endings}")
    return Source(kinds[0], location, tuple(files[kinds[0]]))


def _split_of_path(file: Path) -> str:
    return next((split for name in reversed(file.parts) if (split := split_of_name(name))), "")


def read_records(source: Source) -> Iterator[Record]:
    """Gives all records in the order of the files.

    Raises:
        UserError: malformed JSON or CSV, with file and line; a file that is no text, no Parquet file, or damaged.
    """
    if source.kind is Kind.saved:
        for split, reason, place, values in read_saved(source.path):
            yield Record(place, values, split, reason)
        return
    for file, split in zip(source.files, source.splits(), strict=True):
        for place, values in _records_of(source.kind, file):
            yield Record(place, flattened(values), split)


def look_at_further_files(source: Source) -> None:
    """Reads the first lines of the files behind the first one, so that what is wrong there is said before a run begins.

    Files that are read at once are left to the step.

    Raises:
        UserError: as for `read_records`.
    """
    if source.kind in {Kind.json, Kind.saved}:
        return
    for file in source.files[1:LOOK_FILES]:
        for _ in itertools.islice(_records_of(source.kind, file), LOOK_LINES):
            pass


def _records_of(kind: Kind, file: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    if kind is Kind.jsonl:
        yield from ((f"{file}:{item.line}", item.values) for item in read_objects(file))
    elif kind is Kind.csv:
        yield from table_rows(file)
    elif kind is Kind.json:
        yield from read_json_records(file)
    else:
        yield from parquet_rows(file, times=False)  # which are neither texts nor labels


def flattened(values: Mapping[str, object]) -> Mapping[str, object]:
    """Returns a record whose objects are parts of it: `{"labels": {"label": 1}}` has the column `labels.label`."""
    if not any(isinstance(value, dict) for value in values.values()):
        return values
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat
