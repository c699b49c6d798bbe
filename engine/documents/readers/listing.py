"""Lists the files of a folder that can hold documents, for readers, digests and messages alike.

In: a folder or a file. Out: paths, of those that `engine.storage.listing` gives. Queries, judgements and files that say
what data beside them is are told by their names.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from engine.storage.listing import listed, with_endings

TREE_SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".html", ".htm")
"""The endings of the files that a tree is read from."""

_ABOUT_DATA = re.compile(r"(readme|licen[cs]e)([-_.].*)?|(copying|notice|changelog|citation|contributing)(\..*)?")
"""Names of the files that stand beside data and say what it is."""
_BENCHMARK = re.compile(r"(queries|qrels)(-\d.*)?")
"""Names, up to the first dot, of a collection's files or folders that are queries and judgements."""


def tree_files(path: Path) -> list[Path]:
    """Lists the texts below a folder (or the file itself), by relative path."""
    return [path] if path.is_file() else with_endings(path, TREE_SUFFIXES)


def other_files(path: Path) -> Counter[str]:
    """Counts the listed files below a folder that are no texts, by ending."""
    others = (file for file in listed(path) if not file.name.lower().endswith(TREE_SUFFIXES))
    return Counter(file.suffix.lower() or "without ending" for file in others)


def data_files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Lists the files with these endings, those in the folder itself first, then by relative path.

    Names that start with `_` are left out, as Spark's markers have them, and so are a collection's queries and
    judgements (see `benchmark_files`).
    """
    files = [file for file in with_endings(folder, endings) if not file.name.startswith("_")]
    return sorted((file for file in files if not _is_benchmark(file, folder)), key=lambda file: file.parent != folder)


def benchmark_files(folder: Path) -> list[Path]:
    """Lists the files of a collection that are named as queries and judgements are, and so hold no documents."""
    return sorted(file for file in listed(folder) if _is_benchmark(file, folder))


def is_about_data(file: Path) -> bool:
    """Tells whether a file says what data beside it is, as README.md and LICENSE.txt do."""
    return _ABOUT_DATA.fullmatch(file.name.lower()) is not None


def _is_benchmark(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return any(_BENCHMARK.fullmatch(part.lower().partition(".")[0]) for part in parts)
