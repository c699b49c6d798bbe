"""A file is opened by its first rows; what further rows have is read where it is named, and else said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given import opening
from engine.given.columns import Role
from engine.given.config import GivenConfig
from engine.given.opening import LateColumns, open_examples
from engine.given.source import Record


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are found by three rows."""
    monkeypatch.setattr(opening, "LOOK_ROWS", 3)


def write(folder: Path, rows: Sequence[Mapping[str, object]]) -> str:
    file = folder / "given.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


PAIRS = [{"query": f"q{row}", "passage": f"p{row}"} for row in range(5)]
LATE = [*PAIRS, {"query": "q5", "passage": "p5", "negative": "n5", "hard": "h5", "comment": "c"}]


def test_all_records_follow_the_first_ones(tmp_path: Path) -> None:
    opened = open_examples(GivenConfig(write(tmp_path, LATE)))
    assert (opened.columns.form, opened.names) == (Form.pairs, ("query", "passage"))
    assert [dict(record.values) for record in opened.records] == LATE


def test_a_named_column_is_looked_for_in_all_rows(tmp_path: Path) -> None:
    opened = open_examples(GivenConfig(write(tmp_path, LATE), columns={"negative": "hard"}))
    assert opened.columns.form is Form.triplets
    assert opened.columns.names[Role.negative] == "hard"
    assert [dict(record.values) for record in opened.records] == LATE, "from the first row on once more"
    with pytest.raises(UserError, match="no column 'hardly'"):
        open_examples(GivenConfig(write(tmp_path, LATE), columns={"negative": "hardly"}))


def test_a_late_column_that_might_have_had_a_meaning_is_said(tmp_path: Path) -> None:
    opened = open_examples(GivenConfig(write(tmp_path, [*LATE, LATE[-1]])))
    late = LateColumns(opened)
    for record in opened.records:
        late.look(record)
    [note] = late.notes()
    assert "the column 'negative' first stands at" in note
    assert "given.jsonl:6" in note
    assert note.endswith("examples.columns.negative=negative reads it")


@pytest.mark.parametrize(("columns", "said"), [({"label": "x"}, True), ({}, False)])
def test_a_late_column_of_weights_is_said_of_labelled_texts(
    tmp_path: Path, columns: dict[str, str], said: bool
) -> None:
    opened = open_examples(GivenConfig(write(tmp_path, [{"text": f"t{row}"} | columns for row in range(5)])))
    late = LateColumns(opened)
    late.look(Record("given.jsonl:6", {"weight": 2}, ""))
    assert [note.partition(" first ")[0] for note in late.notes()] == ["the column 'weight'"] * said


def test_what_is_not_mixed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, [{"text": "a", "label": "b"}])
    with pytest.raises(UserError, match="generated ones are pairs"):
        open_examples(GivenConfig(path, beside_generated=True))


def test_weights_that_are_none_are_not_read_nor_said(tmp_path: Path) -> None:
    rows = [{"text": f"t{row}", "label": "x", "none": ""} for row in range(5)]
    config = GivenConfig(write(tmp_path, rows[:2]), columns={"weight": "none"})
    with pytest.raises(UserError, match=r"examples.columns.weight=none: says that there is no such column"):
        open_examples(config)
    opened = open_examples(GivenConfig(write(tmp_path, [{"text": "t", "label": "x"}] * 5), columns={"weight": "none"}))
    late = LateColumns(opened)
    late.look(Record("given.jsonl:6", {"weight": 2}, ""))
    assert late.notes() == []


def test_a_set_of_stages_is_told_its_own_key(tmp_path: Path) -> None:
    path = write(tmp_path, [{"text": "t", "label": "x"}])
    with pytest.raises(UserError, match=r"^stages.sets.a.columns.weight=w: no column 'w'"):
        open_examples(GivenConfig(path, Form.labelled, {"weight": "w"}, key="stages.sets.a.path"))


def test_a_file_that_a_report_is_told_of_has_no_weights(tmp_path: Path) -> None:
    path = write(
        tmp_path, [{"text": f"t{row}", "label": "x", "weight": "12 kg", "sample_weight": 1} for row in range(5)]
    )
    opened = open_examples(GivenConfig(path, Form.labelled, key="report.labelled"))
    assert Role.weight not in opened.columns.names
    late = LateColumns(opened)
    late.look(Record("given.jsonl:6", {"example_weight": 2, "split": "train"}, ""))
    [note] = late.notes()
    assert note.startswith("the column 'split' first stands at given.jsonl:6, and is not read: give it")
