"""Rows of a file whose texts were trained on are no rows to measure on."""

from __future__ import annotations

from pathlib import Path

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from eval.given.rows import draw_examples
from eval.given.trained import TrainedTexts, split_of_file
from tests.support.given import graded_rows, labelled_rows, pair_rows, write_given


def test_rows_with_either_text_in_training_are_left_out_and_counted(tmp_path: Path) -> None:
    pairs = pair_rows(8)
    trained = TrainedTexts(write_given(tmp_path / "pairs", Form.pairs, pairs))
    rows = graded_rows(20)[10:16]
    rows[0]["query"] = pairs[0]["query"].upper()
    rows[1]["passage"] = f"  {pairs[2]['passage']}"
    rows[2]["query"] = pairs[1]["query"]
    folder = ExamplesFolder(write_given(tmp_path / "graded", Form.graded, rows))
    table, total = draw_examples(folder, ["query", "passage", "score"], "", 0, trained.unseen)
    assert table["sample_id"].to_pylist() == [2, 3, 4, 5], (
        "the query of the third is held out, and its passage is not in it"
    )
    assert (total, trained.left_out) == (4, 2)
    assert trained.told("report.similarity").startswith("2 rows have a text that was trained on, and")


def test_labelled_texts_are_compared_by_their_text_alone(tmp_path: Path) -> None:
    rows = labelled_rows(10)
    trained = TrainedTexts(write_given(tmp_path / "trained", Form.labelled, rows))
    assert trained.told("report.labelled") == ""
    folder = ExamplesFolder(write_given(tmp_path / "file", Form.labelled, rows[::-1]))
    table, _ = draw_examples(folder, ["text", "labels"], "", 0, trained.unseen)
    assert sorted(table["text"].to_pylist()) == sorted(row["text"] for row in rows[1::2])


def test_texts_that_a_classifier_is_calibrated_by_are_left_out_too(tmp_path: Path) -> None:
    rows, others = labelled_rows(10), labelled_rows(13)[10:]
    known = TrainedTexts(write_given(tmp_path / "trained", Form.labelled, rows), calibrated=True)
    folder = ExamplesFolder(write_given(tmp_path / "file", Form.labelled, [*others, *rows]))
    table, total = draw_examples(folder, ["text", "labels"], "", 0, known.unseen)
    assert table["text"].to_pylist() == [row["text"] for row in others]
    assert (total, known.left_out) == (3, 10)
    assert known.told("report.labelled").startswith("10 rows have a text that was trained on or calibrated by, and")


def test_a_file_with_a_split_is_measured_on_what_it_holds_out(tmp_path: Path) -> None:
    both = write_given(tmp_path / "both", Form.graded, graded_rows(4))
    one = write_given(tmp_path / "one", Form.graded, graded_rows(1))
    assert split_of_file(ExamplesFolder(both)) == "validation"
    assert split_of_file(ExamplesFolder(one)) == ""
