"""Folders that Hugging Face datasets saved: splits, names of classes, structs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from engine.errors import UserError
from engine.given.saved_datasets import OF_NO_SIDE, is_saved_dataset, read_saved
from engine.given.source import Kind, find_source, read_records


def test_splits_and_classes_keep_their_names(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["sad", "glad"])})
    rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(tmp_path / "saved")
    source = find_source(str(tmp_path / "saved"))
    assert source.kind is Kind.saved
    assert [(record.split, dict(record.values)) for record in read_records(source)] == [
        ("train", {"text": "a", "label": "glad"}),
        ("train", {"text": "b", "label": "sad"}),
        ("train", {"text": "c", "label": None}),
        ("validation", {"text": "a", "label": "glad"}),
    ]


def test_lists_of_classes_and_structs_are_read(tmp_path: Path) -> None:
    features = Features(
        {"text": Value("string"), "labels": Sequence(ClassLabel(names=["x", "y"])), "by": {"name": Value("string")}}
    )
    Dataset.from_dict({"text": ["a"], "labels": [[1, 0]], "by": [{"name": "n"}]}, features=features).save_to_disk(
        tmp_path / "saved"
    )
    ((split, _, place, values),) = read_saved(tmp_path / "saved")
    assert (split, place) == ("", f"{tmp_path / 'saved'}: row 1")
    assert values == {"text": "a", "labels": ["y", "x"], "by.name": "n"}


def test_times_are_not_read_and_a_list_of_dates_that_python_has_none_for_is_named(tmp_path: Path) -> None:
    far, table = pa.array([10**12], pa.timestamp("s")), pa.table({"text": ["a"]})
    Dataset(table.add_column(0, "when", far)).save_to_disk(tmp_path / "times")
    ((_, _, _, values),) = read_saved(tmp_path / "times")
    assert list(values.items()) == [("when", None), ("text", "a")]
    Dataset(table.append_column("when", pa.array([far.to_numpy()]))).save_to_disk(tmp_path / "saved")
    with pytest.raises(UserError, match="saved: row 1: a value of 'when' cannot be read"):
        list(read_saved(tmp_path / "saved"))


def test_a_data_set_without_rows_has_none(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["a", "b"]})
    nothing = Dataset.from_dict({"text": []})
    DatasetDict({"train": rows, "test": nothing}).save_to_disk(tmp_path / "saved")
    assert [split for split, *_ in read_saved(tmp_path / "saved")] == ["train", "train"]
    nothing.save_to_disk(tmp_path / "nothing")
    assert list(read_saved(tmp_path / "nothing")) == []


def test_a_split_whose_name_says_no_side_is_left_out_beside_one_that_does(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["a"]})
    DatasetDict({"train": rows, "test": rows, "unsupervised": rows}).save_to_disk(tmp_path / "saved")
    said = [(split, reason) for split, reason, *_ in read_saved(tmp_path / "saved")]
    assert said == [("train", ""), ("validation", ""), ("", OF_NO_SIDE)]
    DatasetDict({"easy": rows, "challenge": rows}).save_to_disk(tmp_path / "others")
    assert [(split, reason) for split, reason, *_ in read_saved(tmp_path / "others")] == [("", "")] * 2


@pytest.mark.parametrize("content", ["{", "[1]", "null", '{"features": "x"}'])
def test_a_damaged_folder_is_refused(tmp_path: Path, content: str) -> None:
    Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "dataset_info.json").write_text(content)
    assert is_saved_dataset(tmp_path / "saved")
    with pytest.raises(UserError, match="is no data set that can be read"):
        list(read_saved(tmp_path / "saved"))
