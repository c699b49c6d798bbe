"""Looks at queries and judgements of a collection before a run begins: whole where they are few, else at the first.

In: a collection, and what a run does with its judgements. Out: refusals, and a sentence for the terminal. Files that
were looked at and have not changed are not read again by the same process: many points of a sweep have one collection.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

from engine.artifacts.collection import collection_files, has_benchmark, load_collection, queries_file
from engine.artifacts.judgements import list_splits, qrels_file, read_judgements
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.demonstrations.judged import look_at_judged
from engine.storage.lines import read_objects

_WHOLE_BYTES = 1 << 22
"""So much is read whole, in about a second."""
_FIRST_LINES = 1000
"""So many lines are read of files that hold more."""
_REMEMBERED = 256
"""The number of looks that a process remembers; each is a few short texts."""

_Stamps = tuple[tuple[str, int, int], ...]
"""Files by path, size in bytes, and time of the last change in nanoseconds."""


def look_at_judgements(folder: Path, split: str) -> None:
    """Looks at queries and at the judgements of a split; a collection without them passes.

    Args:
        folder: the collection.
        split: which judgements.

    Raises:
        UserError: a line is malformed, or a judgement names a query that does not exist; of large files as far as the
            first lines show it.
    """
    if has_benchmark(folder) and split in list_splits(folder):
        queries = queries_file(folder)
        assert queries, "a collection with a benchmark has queries"
        _look(folder, split, _stamps([queries, qrels_file(folder, split)]))


def remark_on_judged(shown: DemonstrationsConfig, split: str) -> str:
    """Looks at judged queries that are to be shown, as `look_at_judged` does; large files are left to the step.

    Args:
        shown: how many are shown, of which collection.
        split: the judgements that the run measures with.

    Returns:
        What to tell where none is left to measure with, or "".

    Raises:
        UserError: there is no collection with judgements, or too few queries have a relevant document.
    """
    folder = Path(shown.collection).expanduser()
    stamps = _stamps(collection_files(folder))
    if shown.collection and has_benchmark(folder) and _are_large(stamps):
        return ""
    return _remark(shown.collection, shown.from_qrels, shown.seed, split, stamps)


@functools.lru_cache(maxsize=_REMEMBERED)
def _look(folder: Path, split: str, stamps: _Stamps) -> None:
    if not _are_large(stamps):
        load_collection(folder, split)
        return
    queries, judgements = (Path(file) for file, _, _ in stamps)
    for lines in (read_objects(queries), read_judgements(judgements)):
        for _ in itertools.islice(lines, _FIRST_LINES):
            pass


@functools.lru_cache(maxsize=_REMEMBERED)
def _remark(collection: str, from_qrels: int, seed: int, split: str, _stamps: _Stamps) -> str:
    return look_at_judged(DemonstrationsConfig(collection=collection, from_qrels=from_qrels, seed=seed), split)


def _stamps(files: Sequence[Path]) -> _Stamps:
    states = [(file, file.stat()) for file in files]
    return tuple((str(file), state.st_size, state.st_mtime_ns) for file, state in states)


def _are_large(stamps: _Stamps) -> bool:
    return sum(size for _, size, _ in stamps) > _WHOLE_BYTES
