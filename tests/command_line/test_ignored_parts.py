"""Parts that do not count: which they are, and that a folder which is being written keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.command_line.ignored_parts import find_ignored, remove_ignored
from engine.storage.parts import committed_ids, committed_parts
from engine.storage.store import Store
from tests.support.committed import begin, commit, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unfinished samples folder in whose last start one engine was given up, and wrote on."""
    folder = tmp_path / "samples" / "abc"
    parts = begin(folder)
    commit(parts, [1], engine=0)
    parts.close_engine(0)
    write(parts.attempt_folder, [2, 3], engine=0, number=1)
    write(parts.attempt_folder, [2], engine=1)
    return folder


def test_what_does_not_count_is_found_and_removed(folder: Path) -> None:
    other = folder.parent / "without a manifest"
    other.mkdir()
    late = folder / "attempt-0001" / "part-e0-00001.parquet"
    ignored = find_ignored([folder, other])
    assert ignored == {folder: [late]}
    size = late.stat().st_size
    assert remove_ignored(ignored) == size
    assert find_ignored([folder, other]) == {}
    assert committed_ids(committed_parts(folder)).tolist() == [1]
    begin(folder)
    assert committed_ids(committed_parts(folder)).tolist() == [1, 2], "what the next start takes over is still there"


def test_a_folder_that_is_being_written_keeps_everything(folder: Path, tmp_path: Path) -> None:
    ignored = find_ignored([folder])
    with Store(tmp_path).producing(folder, keep=True):
        assert find_ignored([folder]) == {}
        assert remove_ignored(ignored) == 0, "it was begun after the parts were found"
    assert find_ignored([folder]) == ignored
