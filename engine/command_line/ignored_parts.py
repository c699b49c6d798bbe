"""Parts of samples that do not count and never will: `synthmill clean` finds them, and removes them.

In: the step outputs that stay. Out: files that their manifests do not list: what an engine wrote after its driver was
killed or had given it up, and what a kill left of merging. A start clears away what it finds; these came later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine.storage.manifest import MANIFEST
from engine.storage.parts import ignored_files
from engine.storage.parts_log import delete_files
from engine.storage.store import holding, is_being_written, is_done


def find_ignored(folders: Iterable[Path]) -> dict[Path, list[Path]]:
    """Finds the parts that do not count of each samples folder that nobody writes; folders without any are left out."""
    found = {
        folder: ignored_files(folder, is_done=is_done(folder))
        for folder in folders
        if (folder / MANIFEST).is_dir() and not is_being_written(folder)
    }
    return {folder: files for folder, files in found.items() if files}


def remove_ignored(ignored: Mapping[Path, Sequence[Path]]) -> int:
    """Removes parts that do not count, but for those of folders that a process has begun to write meanwhile.

    Returns:
        The bytes that were freed.
    """
    freed = 0
    for folder, files in ignored.items():
        with contextlib.suppress(BlockingIOError), holding(folder):
            still = [file for file in ignored_files(folder, is_done=is_done(folder)) if file in files]
            freed += bytes_of(still)
            delete_files(still)
    return freed


def bytes_of(files: Iterable[Path]) -> int:
    """Adds up the sizes of files in bytes; one that an engine has just renamed counts nothing."""
    num_bytes = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            num_bytes += file.lstat().st_size
    return num_bytes
