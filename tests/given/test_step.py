"""Files that people have become an examples folder of their form; what is broken is rejected with place and reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.examples import ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form, given_schema
from engine.errors import UserError
from engine.given import rows as rows_module
from engine.given.config import GivenConfig
from engine.given.step import read_given
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values
from tests.support.places import printed, quiet_place


def jsonl(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "given.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def read(folder: Path, path: Path, **settings: Any) -> tuple[ExamplesFolder, ExamplesRecord, str]:
    output = folder / f"out-{len(list(folder.iterdir()))}"
    output.mkdir()
    place = quiet_place(folder)
    record = read_given(GivenConfig(str(path), **settings), {}, output, place)
    assert sorted(file.name for file in output.iterdir()) == ["kept.parquet", "rejected.parquet"]
    return ExamplesFolder(output), record, " ".join(printed(place).split())


PAIRS: list[dict[str, object]] = [
    {"question": f"question {row}?", "context": f"passage {row // 3}"} for row in range(300)
]


@pytest.mark.parametrize("at_once", [4096, 7])
def test_pairs_are_kept_in_order_and_split_by_passage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(rows_module, "_ROWS_AT_ONCE", at_once)
    folder, record, said = read(tmp_path, jsonl(tmp_path, PAIRS), validation_share=0.2)
    assert folder.form() is Form.pairs
    assert folder.columns() == given_schema(Form.pairs)
    kept = folder.kept().to_pydict()
    assert kept["sample_id"] == list(range(300))
    assert kept["query"] == [row["question"] for row in PAIRS]
    assert len(set(kept["document_id"])) == len(set(kept["passage_id"])) == 100
    sides: dict[str, set[str]] = {"train": set(), "validation": set()}
    for split, passage in zip(kept["split"], kept["passage"], strict=True):
        sides[split].add(passage)
    assert sides["validation"]
    assert sides["train"].isdisjoint(sides["validation"])
    assert record.kept == record.train + record.validation == 300
    assert "pairs: query 'question', passage 'context'" in said


def test_broken_rows_are_rejected_with_their_place(tmp_path: Path) -> None:
    broken: list[dict[str, object]] = [
        {"question": " ", "context": "x"},
        {"question": "q"},
        {"question": "q", "context": ["x"]},
    ]
    folder, record, _ = read(tmp_path, jsonl(tmp_path, [*PAIRS[:30], *broken]))
    assert record.rejected == {"no passage": 1, "no query": 1, "no text as passage": 1}
    rejected = folder.rejected().to_pylist()
    assert [row["sample_id"] for row in rejected] == [30, 31, 32]
    assert rejected[1]["detail"] == f"{tmp_path / 'given.jsonl'}:32"
    assert (rejected[1]["query"], rejected[1]["passage"], rejected[1]["split"]) == ("q", None, "")


def test_scores_become_grades(tmp_path: Path) -> None:
    rows = [{"sentence1": f"a{row}", "sentence2": f"b{row}", "score": row % 6 * 0.96} for row in range(60)]
    folder, _, said = read(tmp_path, jsonl(tmp_path, rows))
    assert folder.form() is Form.graded
    assert folder.kept(["score"])["score"].to_pylist()[:3] == pytest.approx([0.0, 0.192, 0.384])
    assert "scores are read on the scale 0 to 5" in said
    _, record, _ = read(tmp_path, tmp_path / "given.jsonl", highest_score=4.0)
    assert record.rejected == {"score off the scale": 10}


def test_klue_sts_is_graded_with_the_split_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "klue"
    folder.mkdir()
    for name, first in (("klue-sts-v1.1_train.json", 0), ("klue-sts-v1.1_dev.json", 90)):
        objects = [
            {
                "guid": str(row),
                "sentence1": f"문장 {row}",
                "sentence2": f"글 {row}",
                "labels": {"label": 3.7, "real-label": 3.71},
            }
            for row in range(first, first + 10)
        ]
        objects.append({"sentence1": "both", "sentence2": f"글 {first}", "labels": {"label": 5}})
        (folder / name).write_text(json.dumps(objects))
    examples, record, _ = read(tmp_path, folder)
    assert (record.train, record.validation) == (10, 11)
    assert record.rejected == {"shares a text or a query with held-out rows": 1}
    assert examples.kept(split="train")["score"].to_pylist() == pytest.approx([0.74] * 10)


def test_questions_of_an_article_are_on_one_side(tmp_path: Path) -> None:
    articles = [
        {
            "title": f"t{article}",
            "paragraphs": [
                {
                    "context": f"text {article} {part}",
                    "qas": [{"question": f"q{article} {part}?"}, {"question": "again?"}],
                }
                for part in range(3)
            ],
        }
        for article in range(40)
    ]
    (tmp_path / "train.json").write_text(json.dumps({"data": articles}))
    folder, record, _ = read(tmp_path, tmp_path / "train.json", validation_share=0.3)
    everywhere = record.rejected["shares a text or a query with held-out rows"]
    assert (record.kept, record.train) == (240 - everywhere, everywhere), "one of two questions is asked everywhere"
    sides = {(row["document_id"], row["split"]) for row in folder.kept(["document_id", "split"]).to_pylist()}
    assert len(sides) == len({document for document, _ in sides}) == 40
    assert 0 < record.validation < 120


def test_labelled_texts_are_counted_by_label(tmp_path: Path) -> None:
    rows = [{"review": f"text {row}", "label": ["good"] if row % 3 else []} for row in range(30)]
    folder, record, _ = read(tmp_path, jsonl(tmp_path, rows))
    assert folder.form() is Form.labelled
    assert record.labels == {"good": 20}
    assert folder.kept()["labels"].to_pylist()[:2] == [[], ["good"]]


def test_weights_of_labelled_texts_are_kept_and_wrong_ones_rejected(tmp_path: Path) -> None:
    weights = [2, "0.5", None, "", -1, "much"]
    rows = [{"text": f"text {row}", "label": "good", "weight": weights[row % 6]} for row in range(60)]
    folder, record, said = read(tmp_path, jsonl(tmp_path, rows))
    assert "labels 'label', weight 'weight'" in said
    assert folder.form() is Form.labelled
    assert folder.columns() == given_schema(Form.labelled, weighted=True)
    assert folder.kept()["weight"].to_pylist()[:4] == [2.0, 0.5, None, None]
    assert record.rejected == {"no number from 0 on as weight": 20}
    assert folder.rejected()["weight"].null_count == 20


def test_a_column_that_is_called_weight_is_none_where_the_user_says_so(tmp_path: Path) -> None:
    rows = [{"text": f"parcel {row}", "label": "ab"[row % 2], "weight": "12 kg"} for row in range(20)]
    folder, record, said = read(tmp_path, jsonl(tmp_path, rows), columns={"weight": "none"})
    assert (record.kept, record.rejected) == (20, {})
    assert folder.columns() == given_schema(Form.labelled)
    assert "weight" not in said


def test_a_text_in_place_of_a_label_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_MOST_LABELS", 20)
    with pytest.raises(UserError, match="more than 20 different labels"):
        read(tmp_path, jsonl(tmp_path, [{"text": f"t{row}", "label": f"l{row}"} for row in range(30)]))


def test_triplets_keep_their_negative(tmp_path: Path) -> None:
    rows = [{"anchor": f"a{row}", "positive": f"p{row}", "negative": f"n{row}"} for row in range(9)]
    folder, _, _ = read(tmp_path, jsonl(tmp_path, rows))
    assert folder.form() is Form.triplets
    assert folder.kept(["negative"])["negative"].to_pylist() == [f"n{row}" for row in range(9)]


def test_a_file_with_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    natural = [{"sentence1": "a", "sentence2": "b", "label": "entailment"}]
    with pytest.raises(UserError, match=r"holds no graded to train on \(rejected: no number as score 1\)"):
        read(tmp_path, jsonl(tmp_path, natural))
    with pytest.raises(UserError, match="holds no rows"):
        read(tmp_path, jsonl(tmp_path, []))


def test_beside_generated_examples_only_pairs_will_do(tmp_path: Path) -> None:
    graded = jsonl(tmp_path, [{"sentence1": f"a{row}", "sentence2": "b", "score": 1} for row in range(5)])
    with pytest.raises(UserError, match=r"of the form 'graded', and generated ones are pairs"):
        read(tmp_path, graded, beside_generated=True)
    folder, _, _ = read(tmp_path, graded, beside_generated=True, form=Form.pairs)
    assert folder.form() is Form.pairs


def test_a_person_is_told_where_nothing_is_held_out(tmp_path: Path) -> None:
    _, _, said = read(tmp_path, jsonl(tmp_path, PAIRS[:3]))
    assert "no example is held out" in said


def test_a_classifier_with_one_label_is_not_measured_on_texts_with_several(tmp_path: Path) -> None:
    """Unless what it is trained on has several too."""
    file = jsonl(tmp_path, [{"text": "a", "labels": ["x", "y"]}, {"text": "b", "labels": ["x"]}], "file.jsonl")
    one = jsonl(tmp_path, [{"text": f"t{n}", "labels": ["x", "y"][n % 2]} for n in range(9)], "one.jsonl")
    settings = GivenConfig(str(file), Form.labelled, validation_share=0.0, one_label=True, key="report.labelled")
    for path, is_refused in ((one, True), (file, False)):
        examples, output = tmp_path / f"{path.stem}-examples", tmp_path / f"{path.stem}-out"
        for folder in (examples, output):
            folder.mkdir()
        record = read_given(GivenConfig(str(path), validation_share=0.0), {}, examples, quiet_place(tmp_path))
        finish(examples, StepRecord("examples", "f", {}, {}, 0.0, 0, to_json_values(record)))
        if not is_refused:
            assert read_given(settings, {"examples": examples}, output, quiet_place(tmp_path)).not_one_label == 1
            continue
        with pytest.raises(UserError, match="1 texts have no label or several") as caught:
            read_given(settings, {"examples": examples}, output, quiet_place(tmp_path))
        assert caught.value.where == f"report.labelled={file}"
