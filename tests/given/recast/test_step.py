"""Given examples in another form: fewer of them, their passages alone, and pairs with negatives of each kind."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import CONTROLS, CONTROLS_FILE, ExamplesFolder
from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.config import GivenConfig
from engine.given.recast.config import RecastConfig
from engine.given.recast.negatives import read_passages
from engine.given.recast.step import BEYOND_LIMIT, recast_examples
from engine.given.step import read_given
from engine.storage.store import finish
from tests.support.given import write_given
from tests.support.places import quiet_place
from tests.support.small_run import step_record


def rows(count: int = 24) -> list[dict[str, Any]]:
    """Two questions for each paragraph, four for each document; every third document is held out."""
    made = []
    for number in range(count):
        passage, document = number // 2, number // 4
        made.append(
            {
                "query": f"question {number} topic{passage} other{document}",
                "passage": f"paragraph topic{passage} about other{document}",
                "passage_id": f"p{passage:02}",
                "document_id": f"d{document}",
                "split": "validation" if document % 3 == 2 else "train",
            }
        )
    return made


def recast(tmp_path: Path, config: RecastConfig, given: list[dict[str, Any]] | None = None) -> ExamplesFolder:
    output = tmp_path / "out"
    output.mkdir()
    source = write_given(tmp_path / "pairs", Form.pairs, given or rows())
    record = recast_examples(config, {"examples": source}, output, quiet_place(tmp_path))
    finish(output, step_record("examples", output, record))
    return ExamplesFolder(output)


def test_a_limit_keeps_whole_passages_of_both_sides_and_says_why_the_rest_is_gone(tmp_path: Path) -> None:
    folder = recast(tmp_path, RecastConfig(limit=7))
    kept, record = folder.kept(), folder.record()
    assert (folder.form(), record.kept) == (Form.pairs, 14)
    assert len(set(kept["passage_id"].to_pylist())) == 7
    assert record.train
    assert record.validation
    assert record.rejected == {BEYOND_LIMIT: 10}
    assert set(folder.rejected()["reason"].to_pylist()) == {BEYOND_LIMIT}


def test_fewer_labelled_texts_keep_their_weights(tmp_path: Path) -> None:
    file, given, output = tmp_path / "given.jsonl", tmp_path / "given", tmp_path / "out"
    file.write_text("".join(json.dumps({"text": f"t{row}", "label": "x", "weight": row}) + "\n" for row in range(20)))
    given.mkdir()
    output.mkdir()
    read_given(GivenConfig(str(file)), {}, given, quiet_place(tmp_path))
    recast_examples(RecastConfig(limit=5), {"examples": given}, output, quiet_place(tmp_path))
    kept = ExamplesFolder(output).kept()
    assert len(kept) == 5
    assert [f"t{weight:g}" for weight in kept["weight"].to_pylist()] == kept["text"].to_pylist()


def test_fewer_labelled_texts_keep_all_controls_and_count_their_labels(tmp_path: Path) -> None:
    texts = [{"text": f"t{row}", "labels": ["x"] if row % 3 else ["x", "y"]} for row in range(20)]
    source, output = write_given(tmp_path / "labelled", Form.labelled, texts), tmp_path / "out"
    controls = pa.table({"sample_id": [100, 101], "text": ["a", "b"]}, CONTROLS)
    pq.write_table(controls, source / CONTROLS_FILE)
    record = replace(ExamplesFolder(source).record(), controls=2, rejected_controls={"length": 3})
    finish(source, step_record("examples", source, record))
    output.mkdir()
    record = recast_examples(RecastConfig(limit=5), {"examples": source}, output, quiet_place(tmp_path))
    folder = ExamplesFolder(output)
    assert pa.Table.from_batches(folder.control_batches()) == controls
    assert (record.kept, record.controls, record.rejected_controls) == (5, 2, {"length": 3})
    kept = folder.kept()["labels"].to_pylist()
    assert record.labels["x"] == 5
    assert record.labels["y"] == record.not_one_label == sum(len(labels) > 1 for labels in kept)


@pytest.mark.parametrize("form", [Form.texts, Form.triplets])
def test_what_is_no_pair_becomes_nothing_else(form: Form, tmp_path: Path) -> None:
    graded = write_given(tmp_path / "graded", Form.graded, [{**row, "score": 0.0} for row in rows()])
    (tmp_path / "out").mkdir()
    config = RecastConfig(form, negatives=int(form is Form.triplets))
    with pytest.raises(UserError, match=r"are made of pairs, and these examples are graded"):
        recast_examples(config, {"examples": graded}, tmp_path / "out", quiet_place(tmp_path))


def test_a_larger_limit_holds_a_smaller_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    small, large = (
        set(recast(tmp_path / name, RecastConfig(limit=limit)).kept()["passage_id"].to_pylist())
        for name, limit in (("a", 3), ("b", 6))
    )
    assert small < large


def test_paragraphs_are_those_that_are_trained_on_each_once(tmp_path: Path) -> None:
    folder = recast(tmp_path, RecastConfig(Form.texts))
    kept = folder.kept().to_pylist()
    assert folder.form() is Form.texts
    assert [row["text"] for row in kept] == [
        f"paragraph topic{p} about other{p // 2}" for p in (0, 1, 2, 3, 6, 7, 8, 9)
    ]
    assert {row["split"] for row in kept} == {"train"}
    assert folder.record().validation == 0
    assert not list(folder.path.glob("passages-*")), "what lay there meanwhile is gone"


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("negatives", [1, 3])
def test_negatives_are_of_other_documents_that_are_trained_on(tmp_path: Path, hard: bool, negatives: int) -> None:
    folder = recast(tmp_path, RecastConfig(Form.triplets, negatives, hard, language="english"))
    kept = folder.kept().to_pylist()
    assert folder.form() is Form.triplets
    assert len(kept) == 16 * negatives
    assert len({row["sample_id"] for row in kept}) == len(kept)
    trained = {row["passage"] for row in rows() if row["split"] == "train"}
    for row in kept:
        assert row["negative"] in trained
        other = re.findall(r"other(\d+)", row["passage"] + row["negative"])
        assert other[0] != other[1], "of another document"
    by_query: dict[str, list[str]] = {}
    for row in kept:
        by_query.setdefault(row["query"], []).append(row["negative"])
    assert all(len(set(found)) == negatives for found in by_query.values()), "each negative of a pair is another one"


def test_a_second_random_negative_leaves_the_first_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    once = recast(tmp_path / "a", RecastConfig(Form.triplets, 1)).kept().to_pylist()
    twice = recast(tmp_path / "b", RecastConfig(Form.triplets, 2)).kept().to_pylist()
    assert [row["negative"] for row in once] == [row["negative"] for row in twice[::2]]


def test_a_hard_negative_shares_words_with_the_query_and_answers_it_nowhere(tmp_path: Path) -> None:
    given = rows()
    given[0]["query"] = given[4]["query"] = "topic8 topic2"  # of documents d0 and d1; the first is about topic0
    given[4]["passage"], given[4]["passage_id"] = "paragraph topic2 about other1", "p02"
    folder = recast(tmp_path, RecastConfig(Form.triplets, 1, True, language="english"), given)
    negative = next(row["negative"] for row in folder.kept().to_pylist() if row["passage_id"] == "p00")
    assert negative == "paragraph topic8 about other4", "topic2 answers the same query in another row"


def test_the_passages_of_pairs_know_what_they_answer(tmp_path: Path) -> None:
    source = ExamplesFolder(write_given(tmp_path / "pairs", Form.pairs, rows()[::-1]))
    passages = read_passages(source, tmp_path / "texts")
    assert passages.ids == sorted({row["passage_id"] for row in rows() if row["split"] == "train"})
    texts = {row["passage_id"]: (row["document_id"], row["passage"]) for row in rows()}
    assert list(zip(passages.documents, passages.texts, strict=True)) == [texts[name] for name in passages.ids]
    assert passages.answer("Question 0  topic0 other0", 0), "case and white space make no difference"
    assert not passages.answer("question 0 topic0 other0", 1)


def test_one_document_has_no_negatives(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"negatives=1: 2 passages of 1 documents have no negatives"):
        recast(tmp_path, RecastConfig(Form.triplets, 1), rows(4))
