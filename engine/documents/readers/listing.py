"""Lists the files of a folder that can hold documents, for readers, digests and messages alike.

In: a folder or a file. Out: paths. Hidden files and folders are not in the listing (so `.git` is not), and neither is
what synthmill itself wrote below the folder: run folders, and the store of step outputs. With these, a second run would
read the reports of the first and so have other documents.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.storage.store import EVERY_NOUN, is_done

TREE_SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".html", ".htm")
"""The endings of the files that a tree is read from."""

_LOCK = re.compile(r"\.[0-9a-f]{16}\.lock")
"""The name of the file that locks a folder of a store, and lies beside it from its beginning."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
"""The name of a folder of a store."""
_ABOUT_DATA = re.compile(r"(readme|licen[cs]e)([-_.].*)?|(copying|notice|changelog|citation|contributing)(\..*)?")
"""Names of the files that stand beside data and say what it is."""
_BENCHMARK = re.compile(r"(queries|qrels)(-\d.*)?")
"""Names, up to the first dot, of a collection's files or folders that are queries and judgements."""


def tree_files(path: Path) -> list[Path]:
    """Lists the texts below a folder (or the file itself), by relative path."""
    return [path] if path.is_file() else _with_endings(path, TREE_SUFFIXES)


def other_files(path: Path) -> Counter[str]:
    """Counts the listed files below a folder that are no texts, by ending."""
    others = (file for file in _listed(path) if not file.name.lower().endswith(TREE_SUFFIXES))
    return Counter(file.suffix.lower() or "without ending" for file in others)


def data_files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Lists the files with these endings, those in the folder itself first, then by relative path.

    Names that start with `_` are left out, as Spark's markers have them, and so are a collection's queries and
    judgements (see `benchmark_files`).
    """
    files = [file for file in _with_endings(folder, endings) if not file.name.startswith("_")]
    return sorted((file for file in files if not _is_benchmark(file, folder)), key=lambda file: file.parent != folder)


def benchmark_files(folder: Path) -> list[Path]:
    """Lists the files of a collection that are named as queries and judgements are, and so hold no documents."""
    return sorted(file for file in _listed(folder) if _is_benchmark(file, folder))


def is_about_data(file: Path) -> bool:
    """Tells whether a file says what data beside it is, as README.md and LICENSE.txt do."""
    return _ABOUT_DATA.fullmatch(file.name.lower()) is not None


def _listed(folder: Path) -> Iterator[Path]:
    """Gives all files below a folder, in no order; links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not _is_output(Path(parent, name))]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _with_endings(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Lists files with one of these endings by relative path: no pipes, but broken links, which the reader reports."""
    files = (file for file in _listed(folder) if file.name.lower().endswith(endings))
    readable = (file for file in files if file.is_file() or file.is_symlink())
    return sorted(readable, key=lambda file: file.relative_to(folder).as_posix())


def _is_benchmark(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return any(_BENCHMARK.fullmatch(part.lower().partition(".")[0]) for part in parts)


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
