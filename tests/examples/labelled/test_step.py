"""Generated texts get the conditions that they were written under as labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.examples.labelled.config import LabelledConfig
from engine.examples.labelled.step import label_examples
from tests.support.places import quiet_place

NAMES = ("tone", "twist", "moral")
SCHEMA = pa.schema([*EXAMPLES, *(pa.field(f"condition_{name}", pa.string()) for name in NAMES)])


def row(number: int, tone: str, twist: str, moral: str, split: str = "train") -> dict[str, Any]:
    conditions = {"condition_tone": tone, "condition_twist": twist, "condition_moral": moral}
    ids = {"sample_id": number, "passage_id": f"p{number}", "document_id": f"d{number}"}
    return ids | {"query": f"text {number}", "split": split, "reason": "", "detail": ""} | conditions


ROWS = [row(0, "glad", "yes", "no"), row(1, "sad", "yes", "yes"), row(2, "glad", "no", "no", "validation")]


def labelled(
    folder: Path, rows: list[dict[str, Any]], *names: str, **controls: str
) -> tuple[ExamplesFolder, ExamplesRecord]:
    for name, part in (("in", rows), ("out", [])):
        (folder / name).mkdir()
        if name == "in":
            pq.write_table(pa.Table.from_pylist(part, SCHEMA), folder / name / "kept.parquet")
            rejected = [row(7, "sad", "no", "no") | {"reason": "length"}]
            pq.write_table(pa.Table.from_pylist(rejected, SCHEMA), folder / name / "rejected.parquet")
    config, inputs = LabelledConfig(names, controls), {"examples": folder / "in"}
    record = label_examples(config, inputs, folder / "out", quiet_place(folder))
    return ExamplesFolder(folder / "out"), record


def test_the_value_of_one_condition_is_the_label(tmp_path: Path) -> None:
    folder, record = labelled(tmp_path, ROWS, "tone")
    assert folder.form() is Form.labelled
    kept = folder.kept(["sample_id", "document_id", "text", "labels", "split"]).to_pylist()
    assert kept[1] == {"sample_id": 1, "document_id": "d1", "text": "text 1", "labels": ["sad"], "split": "train"}
    assert (record.train, record.validation, record.labels) == (2, 1, {"glad": 2, "sad": 1})
    assert record.rejected == {"length": 1}
    assert folder.rejected()["labels"].to_pylist() == [["sad"]]


def test_of_several_conditions_those_that_hold_are_labels(tmp_path: Path) -> None:
    folder, record = labelled(tmp_path, ROWS, "twist", "moral")
    assert folder.kept(["labels"])["labels"].to_pylist() == [["twist"], ["twist", "moral"], []]
    assert record.labels == {"moral": 1, "twist": 2}


def test_controls_get_no_label_and_lie_apart(tmp_path: Path) -> None:
    rows = [*ROWS, row(3, "plain", "yes", "no"), row(4, "plain", "no", "yes") | {"condition_moral": None}]
    folder, record = labelled(tmp_path, rows, "twist", "moral", tone="plain")
    assert folder.kept(["text"])["text"].to_pylist() == ["text 0", "text 1", "text 2"]
    controls = pa.Table.from_batches(folder.control_batches()).to_pylist()
    assert controls == [{"sample_id": 3, "text": "text 3"}, {"sample_id": 4, "text": "text 4"}]
    assert (record.kept, record.controls, record.labels) == (3, 2, {"moral": 1, "twist": 2})


def test_controls_that_were_rejected_are_counted_apart(tmp_path: Path) -> None:
    _, record = labelled(tmp_path, [*ROWS, row(3, "glad", "no", "yes")], "twist", "moral", tone="sad")
    assert (record.kept, record.controls) == (3, 1)
    assert (record.rejected, record.rejected_controls) == ({}, {"length": 1})


def test_a_row_without_the_condition_of_controls_is_none(tmp_path: Path) -> None:
    rows = [*ROWS, row(3, "plain", "yes", "no"), row(4, "x", "no", "yes") | {"condition_tone": None}]
    folder, record = labelled(tmp_path, rows, "twist", "moral", tone="plain")
    assert (record.kept, record.controls, len(folder.kept())) == (4, 1, 4)


def test_without_a_control_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.controls=\{tone=plain\}: no kept text is a control; plan more"):
        labelled(tmp_path, ROWS, "twist", "moral", tone="plain")


def test_where_all_controls_were_rejected_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no kept text is a control \(rejected: length 1\); plan more"):
        labelled(tmp_path, [ROWS[0], row(3, "glad", "no", "yes")], "twist", "moral", tone="sad")


def test_a_folder_without_controls_has_none(tmp_path: Path) -> None:
    folder, record = labelled(tmp_path, ROWS, "tone")
    assert (list(folder.control_batches()), record.controls, record.rejected_controls) == ([], None, {})


def test_texts_that_all_have_one_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.label=tone: all texts to train on have the same labels \(glad\)"):
        labelled(tmp_path, [ROWS[0], ROWS[2]], "tone")


def test_labels_are_conditions_of_the_task() -> None:
    assert LabelledConfig.of("tone", NAMES) == LabelledConfig(("tone",))
    assert LabelledConfig.of(["twist", "moral"], NAMES) == LabelledConfig(("twist", "moral"))
    with pytest.raises(UserError, match=r"model.label=tune: the task has no condition 'tune'; did you mean 'tone'"):
        LabelledConfig.of("tune", NAMES)
    with pytest.raises(UserError, match="'moral' is listed twice"):
        LabelledConfig.of(["moral", "moral"], NAMES)
