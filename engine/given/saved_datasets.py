"""Reads folders that Hugging Face datasets wrote with `save_to_disk`: one data set, or several splits.

In: the folder. Out: records with their places. Arrow files are mapped and read some rows at a time; whole numbers that
stand for classes become the names of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.given.split_names import split_of_name
from engine.storage.listing import with_endings
from engine.storage.parquet_records import python_rows
from engine.storage.pickled import refuse_pickled

_SPLITS_FILE, _STATE_FILE = "dataset_dict.json", "state.json"
"""The file that a folder of several splits has, and the one of a single data set."""
_ROWS_AT_ONCE = 1000
OF_NO_SIDE = "split of no side"
"""Why rows are rejected whose split is called neither what is trained on nor what is held out, while others are."""


def is_saved_dataset(folder: Path) -> bool:
    """Tells whether a folder was written by `save_to_disk`."""
    return any((folder / name).is_file() for name in (_SPLITS_FILE, _STATE_FILE))


def saved_files(folder: Path) -> list[Path]:
    """Lists the files that say what is read, by relative path."""
    return with_endings(folder, (".arrow", ".json"))


def read_saved(folder: Path) -> Iterator[tuple[str, str, str, Mapping[str, object]]]:
    """Gives the rows of all splits: the side of the split, why they are rejected, the place, and the values by column.

    Beside splits whose names say a side, those of others (such as `unsupervised`) are neither trained on nor held out.

    Raises:
        UserError: the folder is damaged, or a column holds pickled objects or a value that Python has none for.
    """
    try:
        saved = [(name, rows) for name in _splits(folder) if (rows := _load(folder / name)) is not None]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        remedy = "write it once more with save_to_disk, or export Parquet files"
        raise UserError(f"is no data set that can be read ({error})", where=str(folder), remedy=remedy) from error
    sides = {name: split_of_name(name) for name, _ in saved}
    for name, rows in saved:
        of_split, side = folder / name, sides[name]
        reason = OF_NO_SIDE if any(sides.values()) and not side else ""
        refuse_pickled(rows.data.schema, of_split)
        numbered = enumerate(_rows(rows, str(of_split)), 1)
        yield from ((side, reason, f"{of_split}: row {number}", values) for number, values in numbered)


def _splits(folder: Path) -> list[str]:
    """Returns the names of the splits; an empty one for a folder that is a single data set."""
    if (folder / _STATE_FILE).is_file():
        return [""]
    splits: list[str] = json.loads((folder / _SPLITS_FILE).read_text(encoding="utf-8"))["splits"]
    return splits


def _load(folder: Path) -> Any:
    """Returns one `datasets.Dataset`; None where it has no rows, which `save_to_disk` writes and nobody reads again."""
    from datasets import Dataset

    state = json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
    return Dataset.load_from_disk(str(folder)) if state["_data_files"] else None


def _rows(rows: Any, where: str) -> Iterator[Mapping[str, object]]:
    """Gives the rows of one `datasets.Dataset`, their structs as columns of their own, without the values of times.

    Those are neither texts nor labels, and Python has none for some of them.
    """
    flat = rows.flatten()
    times = [field.name for field in flat.data.schema if pa.types.is_temporal(field.type)]
    nothing = dict.fromkeys(flat.column_names)
    names = {column: classes for column, feature in flat.features.items() if (classes := _class_names(feature))}
    first = 1
    for table in flat.remove_columns(times).with_format("arrow").iter(_ROWS_AT_ONCE):
        for values in python_rows(table, where, first):
            for column, classes in names.items():
                values[column] = _named(values[column], classes)
            yield nothing | values
        first += len(table)


def _class_names(feature: Any) -> list[str]:
    """Returns the names of classes of a column, or of a column of lists of them; none for other columns."""
    return list(getattr(getattr(feature, "feature", feature), "names", None) or [])


def _named(value: Any, classes: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(inner, classes) for inner in value]
    return classes[value] if value is not None and 0 <= value < len(classes) else None
