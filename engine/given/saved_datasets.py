"""Reads folders that Hugging Face datasets wrote with `save_to_disk`: one data set, or several splits.

In: the folder. Out: records with their places. Arrow files are mapped and read some rows at a time; whole numbers that
stand for classes become the names of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.listing import with_endings
from engine.storage.pickled import refuse_pickled

_MARKS = ("dataset_dict.json", "state.json")
"""The file that a folder of several splits has, and the one of a single data set."""
_ROWS_AT_ONCE = 1000


def is_saved_dataset(folder: Path) -> bool:
    """Tells whether a folder was written by `save_to_disk`."""
    return any((folder / name).is_file() for name in _MARKS)


def saved_files(folder: Path) -> list[Path]:
    """Lists the files that say what is read, by relative path."""
    return with_endings(folder, (".arrow", ".json"))


def read_saved(folder: Path) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Gives the rows of all splits: the name of the split, the place, and the values by column.

    Raises:
        UserError: the folder is damaged, or a column holds pickled objects.
    """
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "write it once more with save_to_disk, or export Parquet files"
        raise UserError(f"is no data set that can be read ({error})", where=str(folder), remedy=remedy) from error
    for name, rows in saved.items() if isinstance(saved, DatasetDict) else [("", saved)]:
        of_split = folder / name if name else folder
        refuse_pickled(rows.data.schema, of_split)
        yield from ((name, f"{of_split}: row {number}", values) for number, values in enumerate(_rows(rows), 1))


def _rows(rows: Any) -> Iterator[Mapping[str, object]]:
    """Gives the rows of one `datasets.Dataset`, their structs as columns of their own."""
    flat = rows.flatten()
    names = {column: classes for column, feature in flat.features.items() if (classes := _class_names(feature))}
    for table in flat.with_format("arrow").iter(_ROWS_AT_ONCE):
        for values in table.to_pylist():
            for column, classes in names.items():
                values[column] = _named(values[column], classes)
            yield values


def _class_names(feature: Any) -> list[str]:
    """Returns the names of classes of a column, or of a column of lists of them; none for other columns."""
    return list(getattr(getattr(feature, "feature", feature), "names", None) or [])


def _named(value: Any, classes: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(inner, classes) for inner in value]
    return classes[value] if value is not None and 0 <= value < len(classes) else None
