"""The folders of sweeps name their files after what is in them, and read their records back."""

from __future__ import annotations

from pathlib import Path

from engine.artifacts.sweeps import ScoresFolder, ScoresRecord, SweepFolder
from engine.storage.store import finish
from tests.support.small_run import step_record


def test_files_are_named_after_what_is_in_them(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "chunk_sizes")
    assert (folder.figures_file.name, folder.page_file.name) == ("chunk_sizes.json", "chunk_sizes.html")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = ScoresRecord(judged=3, held_out=5, training_seconds=1.5)
    finish(tmp_path, step_record("scores", tmp_path, record))
    folder = ScoresFolder(tmp_path)
    assert folder.record() == record
    assert folder.scores_file.parent == tmp_path
