"""Parts that do not count: which they are, and that a folder which is being written keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.command_line import clean
from engine.command_line.ignored_parts import find_ignored, remove_ignored
from engine.runtime.console import Console
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


def test_what_an_engine_renames_meanwhile_counts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engines that outlive their driver still write, and `clean` is what removes their parts."""
    half = folder / "attempt-0001" / "part-e0-00002.parquet.tmp"
    half.write_bytes(b"half written")
    found = clean.find_ignored

    def then_renamed(folders: Iterable[Path]) -> dict[Path, list[Path]]:
        ignored = found(folders)
        half.rename(half.with_suffix(""))
        return ignored

    monkeypatch.setattr(clean, "find_ignored", then_renamed)
    plan = clean.Plan([], [], [], clean.find_ignored([folder]))
    assert [file.name for file in plan.ignored[folder]] == ["part-e0-00001.parquet", half.name]
    clean._show(plan, {}, Store(folder.parent.parent), Console())
    assert "2 of its parts do not count" in capsys.readouterr().out
