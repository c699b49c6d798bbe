"""The door of a teacher folder: arrays go in batch by batch and come back whole, and the record is put into words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.artifacts.teacher import Scored, TeacherFolder, TeacherRecord, write_scored
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values

RECORD = TeacherRecord(1126, 8, 2, 0, 0.71, 1.625, 1.2345)


def scored(first: int, count: int) -> Scored:
    ids = np.arange(first, first + count)
    return Scored(ids, np.stack([ids, ids + 1], axis=1).astype(np.int32), np.full((count, 2), first, np.float32))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder, nan = TeacherFolder(tmp_path), float("nan")
    with folder.writing(2) as writer:
        write_scored(writer, scored(0, 3))
        write_scored(writer, Scored(np.array([9]), np.array([[7, 8]], np.int32), np.array([[nan, 1]], np.float32)))
    read = folder.read()
    assert read.ids.tolist() == [0, 1, 2, 9]
    assert read.candidates.tolist() == [[0, 1], [1, 2], [2, 3], [7, 8]]
    assert [values.dtype.name for values in (read.candidates, read.scores)] == ["int32", "float32"]
    assert np.isnan(read.scores).tolist() == [[False, False]] * 3 + [[True, False]]


def test_a_folder_may_be_about_no_query(tmp_path: Path) -> None:
    with TeacherFolder(tmp_path).writing(3):
        pass
    assert TeacherFolder(tmp_path).read().candidates.shape == (0, 3)


def test_the_record_comes_back_and_can_be_read_by_people(tmp_path: Path) -> None:
    finish(tmp_path, StepRecord("teacher", "f", {}, {}, 0.0, 0, to_json_values(RECORD)))
    assert TeacherFolder(tmp_path).record() == RECORD
    assert RECORD.in_words() == (
        "the own passage is first of 8 for 71% of 1,126 queries, rank 1.62 on average; scores spread by 1.23"
    )
