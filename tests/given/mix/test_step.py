"""Given pairs and generated ones in one folder: every row is there, by weight, and nothing that is measured on."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.examples import ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form, given_schema
from engine.errors import UserError
from engine.given.mix.config import MixConfig
from engine.given.mix.step import MEASURED, mix_examples
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from tests.support.places import printed, quiet_place


def write(folder: Path, schema: pa.Schema, kept: list[dict[str, Any]], rejected: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    for name, rows in (("kept", kept), ("rejected", rejected)):
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / f"{name}.parquet")
    train = sum(row["split"] == "train" for row in kept)
    record = ExamplesRecord(len(kept), train, len(kept) - train, {}, {})
    finish(folder, StepRecord("examples", "f", {}, {}, 0.0, 0, to_json_values(record)))
    return folder


def example(number: int, document: str, passage: str, split: str = "train", reason: str = "") -> dict[str, Any]:
    names = {"sample_id": number, "passage_id": document, "document_id": document, "detail": ""}
    return names | {"query": f"q {document} {number}", "passage": passage, "split": split, "reason": reason}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Eight generated pairs of d0 to d7; d8 and d9 are held out, and of d9 all examples were rejected."""
    passages = [
        {"passage_id": f"d{n}", "document_id": f"d{n}", "title": f"T{n}", "text": f"text {n}"} for n in range(10)
    ]
    (tmp_path / "documents").mkdir()
    pq.write_table(pa.Table.from_pylist(passages, PASSAGES), tmp_path / "documents" / "passages.parquet")
    generated = [example(n, f"d{n}", f"T{n}\ntext {n}", "validation" if n == 8 else "train") for n in range(9)]
    lost = [example(9, "d9", "T9\ntext 9", "validation", "round_trip") | {"query": "é d9 9"}]
    given = [example(n, f"g{n}", f"given {n}") for n in range(4)]
    given += [
        example(4, "other", "text  9"),  # without its title, and with another white space
        example(5, "d8", "a part of it"),
        example(6, "g6", "given 6", "validation"),
        example(7, "g7", "another answer")
        | {"query": unicodedata.normalize("NFD", "É  d9 9")},  # what a held-out query asks, which was rejected
    ]
    return {
        "documents": tmp_path / "documents",
        "examples": write(tmp_path / "examples", EXAMPLES, generated, lost),
        "given": write(tmp_path / "given", given_schema(Form.pairs), given, []),
    }


def mixed(tmp_path: Path, inputs: dict[str, Path], weight: float | None) -> tuple[ExamplesFolder, ExamplesRecord, str]:
    output = tmp_path / f"mixed-{weight}"
    output.mkdir()
    place = quiet_place(tmp_path)
    record = mix_examples(MixConfig(weight), inputs, output, place)
    return ExamplesFolder(output), record, " ".join(printed(place).split())


def test_without_a_weight_each_row_comes_once(tmp_path: Path, inputs: dict[str, Path]) -> None:
    folder, record, said = mixed(tmp_path, inputs, None)
    kept = folder.kept().to_pylist()
    numbers = [row["sample_id"] for row in (*kept, *folder.rejected().to_pylist())]
    assert sorted(numbers) == list(range(len(numbers))), "every row has a number of its own, rejected ones too"
    assert [row["document_id"] for row in kept] == [*(f"d{n}" for n in range(9)), *(f"g{n}" for n in range(4))]
    assert (record.train, record.validation) == (12, 1)
    assert "8 generated ones once and 4 given ones once" in said


def test_nothing_that_is_measured_on_is_trained_on(tmp_path: Path, inputs: dict[str, Path]) -> None:
    folder, record, _ = mixed(tmp_path, inputs, None)
    assert record.rejected == {MEASURED: 3, "round_trip": 1}
    left_out = folder.rejected().to_pylist()
    assert [row["passage"] for row in left_out] == ["text  9", "a part of it", "another answer", "T9\ntext 9"]
    assert [row["split"] for row in left_out] == [*["train"] * 3, "validation"], "mining sees what is held out"
    assert folder.kept(split="validation")["document_id"].to_pylist() == ["d8"]


@pytest.mark.parametrize(("weight", "given", "generated"), [(0.5, 8, 8), (0.75, 24, 8), (0.2, 4, 16)])
def test_the_scarce_side_comes_several_times(
    tmp_path: Path, inputs: dict[str, Path], weight: float, given: int, generated: int
) -> None:
    folder, record, _ = mixed(tmp_path, inputs, weight)
    rows = Counter(row["document_id"] for row in folder.kept(split="train").to_pylist())
    assert (sum(rows[f"g{n}"] for n in range(4)), sum(rows[f"d{n}"] for n in range(8))) == (given, generated)
    assert record.validation == 1, "what is held out comes once"


def test_a_part_of_a_time_is_some_of_the_rows(tmp_path: Path, inputs: dict[str, Path]) -> None:
    folder, _, said = mixed(tmp_path, inputs, 0.4)
    rows = Counter(row["document_id"] for row in folder.kept(split="train").to_pylist())
    assert {rows[f"g{n}"] for n in range(4)} <= {1, 2}
    assert "4 given ones 1.33 times" in said


def test_many_times_of_few_rows_are_said(tmp_path: Path, inputs: dict[str, Path]) -> None:
    _, _, said = mixed(tmp_path, inputs, 0.9)
    assert "given examples come 18 times" in said


def test_given_examples_about_nothing_but_held_out_documents_are_refused(
    tmp_path: Path, inputs: dict[str, Path]
) -> None:
    rows = [example(0, "d8", "x"), example(1, "y", "T9 text 9")]
    inputs["given"] = write(tmp_path / "fewer", given_schema(Form.pairs), rows, [])
    with pytest.raises(UserError, match="all given examples are about documents that the report measures on"):
        mixed(tmp_path, inputs, None)
