"""Finds the files of prompts that a path names, and reads their rows.

In: `prompts.path`. Out: the files, of one kind, and their rows one by one with the place of each: `FILE:LINE`, or
`FILE: row ROW`. Whatever is wrong with the path is said before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import UserError
from engine.storage.csv_records import check_names, table_rows
from engine.storage.lines import read_objects, read_text, unreadable
from engine.storage.listing import CSV_ENDINGS, JSONL_ENDINGS, PARQUET_ENDINGS, with_endings
from engine.storage.parquet_records import open_parquet, parquet_batches


class Kind(Enum):
    """What rows are read from."""

    jsonl = JSONL_ENDINGS
    """One JSON object per line."""
    csv = CSV_ENDINGS
    """A table as text with a header; every value is a text, or none where a field is empty."""
    parquet = PARQUET_ENDINGS
    """Columns with their types."""
    texts = (".txt", ".md")
    """A row per file, with the columns `path` and `text`."""


@dataclass(frozen=True)
class Source:
    """The files of one kind that a path names, in the order of reading."""

    kind: Kind
    path: Path
    files: tuple[Path, ...]


def find_source(path: str) -> Source:
    """Finds the files of prompts, without reading them.

    Args:
        path: a file, or a folder of files of one kind, as the user wrote it.

    Raises:
        UserError: there are none, or they are of several kinds.
    """
    where, location = f"prompts.path={path}", Path(path).expanduser()
    endings = ", ".join(ending for kind in Kind for ending in kind.value)
    if not location.exists():
        raise UserError("does not exist", where=where, remedy="name a file of prompts, or a folder of such files")
    if location.is_file():
        found = [kind for kind in Kind if location.name.lower().endswith(kind.value)]
        if not found:
            remedy = "; of an array make lines: jq -c '.[]' IN.json > OUT.jsonl" if location.suffix == ".json" else ""
            remedy = f"known are {endings}{remedy}"
            raise UserError(f"its ending {location.suffix!r} tells no kind", where=where, remedy=remedy)
        return Source(found[0], location, (location,))
    files = {kind: _files(location, kind) for kind in Kind}
    tables = [kind for kind in Kind if files[kind] and kind is not Kind.texts]
    if len(tables) > 1:
        listed = " and ".join(sorted(kind.name for kind in tables))
        raise UserError(f"holds files of several kinds: {listed}", where=where, remedy="name a file or another folder")
    kind = tables[0] if tables else Kind.texts  # a README beside tables is no row
    if not files[kind]:
        raise UserError("holds no readable files", where=where, remedy=f"readable are files that end in {endings}")
    return Source(kind, location, tuple(files[kind]))


def _files(folder: Path, kind: Kind) -> list[Path]:
    files = (file for file in with_endings(folder, kind.value) if file.is_file())
    return sorted(file for file in files if not any(name.startswith("_") for name in file.relative_to(folder).parts))


def read_tables(source: Source) -> Iterator[tuple[Path, int, pa.Table]]:
    """Gives the rows of Parquet files batch by batch: the file, the number of the first row (from 1), the rows.

    Raises:
        UserError: a file is no Parquet file or has two columns of one name, or the files have columns of one name that
            do not fit each other.
    """
    schema = _common_schema(source.files)
    for file in source.files:
        first = 1
        with open_parquet(file) as parquet:
            for batch in parquet_batches(parquet):
                missing = [field for field in schema if field.name not in batch.schema.names]
                table = pa.Table.from_batches([batch])
                for field in missing:
                    table = table.append_column(field, pa.nulls(len(batch), field.type))
                yield file, first, table.select(schema.names).cast(schema)
                first += len(batch)


def _common_schema(files: tuple[Path, ...]) -> pa.Schema:
    schemas = []
    for file in files:
        try:
            schema = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(file, error) from error
        check_names(schema.names, str(file))
        schemas.append(pa.schema([_plain(field) for field in schema]))
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        remedy = "write all files with the same columns, or name one of them"
        raise UserError(
            f"the files have different columns ({error})", where=str(files[0].parent), remedy=remedy
        ) from error


def _plain(field: pa.Field) -> pa.Field:
    """Returns a field whose type Arrow can sort and take rows from."""
    return pa.field(field.name, _plain_type(field.type))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Returns a type without dictionaries and without views of texts or bytes, at whatever depth."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([_plain(field) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_field), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.list_ if pa.types.is_list(kind) else pa.large_list)(_plain(kind.value_field))
    return {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(kind, kind)


def read_values(source: Source) -> Iterator[tuple[str, dict[str, object]]]:
    """Gives the rows of all other files one by one, each with its place.

    Raises:
        UserError: malformed JSON or CSV, with file and line; a file that is no text.
    """
    for file in source.files:
        if source.kind is Kind.jsonl:
            yield from ((f"{file}:{item.line}", item.values) for item in read_objects(file))
        elif source.kind is Kind.csv:
            for where, row in table_rows(file):
                yield where, {name: cell or None for name, cell in row.items()}
        else:
            name = file.name if source.path.is_file() else file.relative_to(source.path).as_posix()
            yield str(file), {"path": name, "text": read_text(file)}
