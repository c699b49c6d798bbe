"""Lists the files of a folder that somebody names as input, and never what synthmill itself wrote below it.

In: a folder. Out: paths. Hidden files and folders are not in the listing (so `.git` is not), and neither are run
folders and the store of step outputs. With these, a second run would read what the first one wrote and so have other
input.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from engine.storage.store import EVERY_NOUN, is_done

JSONL_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
"""The endings of files with a JSON object per line."""
CSV_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""The endings of tables as text."""
PARQUET_ENDINGS = (".parquet",)
"""The ending of Parquet files."""

_LOCK = re.compile(r"\.[0-9a-f]{16}\.lock")
"""The name of the file that locks a folder of a store, and lies beside it from its beginning."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
"""The name of a folder of a store."""


def listed(folder: Path) -> Iterator[Path]:
    """Gives all files below a folder, in no order; links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not _is_output(Path(parent, name))]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def with_endings(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Lists files with one of these endings by relative path: no pipes, but broken links, which the reader reports."""
    files = (file for file in listed(folder) if file.name.lower().endswith(endings))
    readable = (file for file in files if file.is_file() or file.is_symlink())
    return sorted(readable, key=lambda file: file.relative_to(folder).as_posix())


def _is_output(folder: Path) -> bool:
    """Tells whether synthmill wrote a folder: a run folder, or a store, finished or not."""
    return _is_run_folder(folder) or any(_holds_step_outputs(folder / noun) for noun in EVERY_NOUN)


def _is_run_folder(folder: Path) -> bool:
    try:
        written = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # there is no such file, or it is somebody else's
    return isinstance(written, dict) and isinstance(written.get("format"), int)


def _holds_step_outputs(folder: Path) -> bool:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return False  # there is no such folder, or none that anybody may read
    finished = (entry for entry in entries if _FINGERPRINT.fullmatch(entry.name) and is_done(entry))
    return any(_LOCK.fullmatch(entry.name) for entry in entries) or any(finished)
