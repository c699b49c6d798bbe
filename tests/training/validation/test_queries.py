"""What validation measures: within its time, the same in every start, and with an answer for every query."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from tests.support.given import write_given
from tests.support.training import make_config, make_passages, make_place, write_documents, write_examples
from training.validation.config import ValidatedOn, ValidationConfig
from training.validation.queries import LEAST_CLUSTERS, Extent, choose_queries, extent_of, plan_validation

NUM_HELD_OUT = 8
OTHERS = {"negative": "word1", "score": 0.5, "text": "word1", "labels": ["word1"]}
"""What rows of other forms have besides."""


def hold_out(examples: Path, documents: int = NUM_HELD_OUT) -> ExamplesFolder:
    """Examples of which the first documents are held out, and some of these were rejected."""
    write_examples(examples)
    rows = pq.read_table(examples / "kept.parquet")
    held_out = pc.is_in(rows["document_id"], pa.array([f"d{number}" for number in range(documents)]))
    split = pc.if_else(held_out, "validation", "train")
    rows = rows.set_column(rows.schema.get_field_index("split"), "split", split)
    is_late = pc.greater_equal(rows["sample_id"], 48)
    reasons = pc.if_else(pc.equal(pc.bit_wise_and(rows["sample_id"], 1), 0), "round_trip", "length")
    rejected = rows.filter(is_late).set_column(rows.schema.get_field_index("reason"), "reason", reasons.filter(is_late))
    pq.write_table(rejected, examples / "rejected.parquet")
    pq.write_table(rows.filter(pc.invert(is_late)), examples / "kept.parquet")
    return ExamplesFolder(examples)


@pytest.mark.parametrize(
    ("num_pairs", "total_steps", "expected"),
    [
        (399, 15, None),
        (400, 15, Extent(15, 60, 240)),
        (1_999, 20, Extent(20, 60, 240)),
        (2_000, 20, Extent(20, 60, 240)),
        (3_378, 27, Extent(14, 67, 270)),
        (30_000, 234, Extent(24, 163, 655)),
        (10**9, 8_000_000, Extent(800_000, 200, 1_000)),
    ],
)
def test_validation_takes_a_tenth_of_the_time_at_most_and_half_of_a_short_one(
    num_pairs: int, total_steps: int, expected: Extent | None
) -> None:
    extent = extent_of(ValidationConfig(), num_pairs, total_steps)
    assert extent == expected
    if extent:
        validations = 1 + -(-total_steps // extent.every)
        assert validations * (extent.queries + extent.passages) <= (0.1 if num_pairs >= 2_000 else 0.5) * 3 * num_pairs
        assert validations <= 11


def test_what_is_set_is_done_whatever_it_takes() -> None:
    assert extent_of(ValidationConfig(every=0), 10**9, 10**6) is None
    assert extent_of(ValidationConfig(every=3, max_queries=5, max_passages=9), 10, 10) == Extent(3, 5, 9)


def test_held_out_queries_are_asked_among_their_passages_and_others(tmp_path: Path) -> None:
    examples, documents = hold_out(tmp_path / "examples"), DocumentsFolder(write_documents(tmp_path / "documents"))
    plan = choose_queries(ValidationConfig(), Extent(5, 100, 20), examples, documents)
    assert plan
    texts = make_passages(48)
    rejected_too = NUM_HELD_OUT + NUM_HELD_OUT // 2
    assert (len(plan.queries), len(plan.passages), plan.every, plan.num_judged) == (rejected_too, 20, 5, 0)
    assert set(plan.passages) <= set(texts)
    for query, grades in zip(plan.queries, plan.grades, strict=True):
        [(document, grade)] = grades.items()
        [own] = [text for text, number in zip(plan.passages, plan.documents, strict=True) if number == document]
        assert grade == 1
        assert set(query.split()) <= set(own.split())
        assert texts.index(own) < NUM_HELD_OUT
    assert len(set(plan.clusters)) == NUM_HELD_OUT
    assert choose_queries(ValidationConfig(), Extent(5, 100, 20), examples, documents) == plan
    fewer = choose_queries(ValidationConfig(), Extent(5, 6, 20), examples, documents)
    assert fewer
    assert set(fewer.queries) < set(plan.queries)
    alone = choose_queries(ValidationConfig(), Extent(5, 100, 20), examples, None)
    assert alone
    assert len(alone.passages) == NUM_HELD_OUT


def test_passages_of_equal_text_are_one(tmp_path: Path) -> None:
    examples, folder = hold_out(tmp_path / "examples"), write_documents(tmp_path / "documents")
    table = pq.read_table(folder / "passages.parquet")
    texts = [f"  {make_passages(48)[0]}\n"] * 48
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", [texts]), folder / "passages.parquet")
    plan = choose_queries(ValidationConfig(), Extent(5, 100, 40), examples, DocumentsFolder(folder))
    assert plan
    assert len(plan.passages) == NUM_HELD_OUT, "all others have the text of the first one"


def test_judged_queries_are_asked_among_all_passages_of_their_documents(tmp_path: Path) -> None:
    examples, documents = hold_out(tmp_path / "examples"), DocumentsFolder(write_documents(tmp_path / "documents"))
    folder = tmp_path / "judged"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"q{number}", "text": f"word{number}"}) for number in range(9))
    )
    lines = [f"q{number}\td{20 + number}\t{number % 3}" for number in range(8)]
    (folder / "qrels" / "dev.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines, "q8\tabsent\t1"]))
    judged = ValidationConfig(queries=ValidatedOn.judged, judged=str(folder))
    plan = choose_queries(judged, Extent(5, 100, 30), examples, documents)
    assert plan
    assert sorted(plan.queries) == ["word1", "word2", "word4", "word5", "word7"], "those that some document answers"
    assert plan.num_judged == len(set(plan.clusters)) == 5
    assert sorted(grade for grades in plan.grades for grade in grades.values()) == [1, 1, 1, 2, 2]
    assert len(plan.passages) == 30
    both = choose_queries(
        ValidationConfig(queries=ValidatedOn.both, judged=str(folder)), Extent(5, 100, 30), examples, documents
    )
    assert both
    assert both.num_judged == 5
    assert both.queries[-5:] == plan.queries
    assert len(both.queries) == 5 + NUM_HELD_OUT + NUM_HELD_OUT // 2


@pytest.mark.parametrize("form", Form)
def test_whatever_has_queries_and_passages_is_validated(
    form: Form, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_out(tmp_path / "generated")
    pairs = pq.read_table(tmp_path / "generated" / "kept.parquet")
    given = write_given(tmp_path / form.value, form, [row | OTHERS for row in pairs.to_pylist()])
    config = make_config(base, validation=ValidationConfig(every=5))
    plan = plan_validation(config, {"examples": given}, (30, 8), make_place(tmp_path), form)
    if form not in (Form.pairs, Form.triplets):
        assert plan is None
        assert f"it searches, and this is a bi_encoder of {form.value}" in " ".join(capsys.readouterr().out.split())
        return
    assert plan
    held_out = pairs.filter(pc.equal(pairs["split"], "validation"))
    assert sorted(plan.queries) == sorted(held_out["query"].to_pylist())
    assert set(plan.passages) == set(held_out["passage"].to_pylist())


def test_queries_of_too_few_documents_tell_nothing_and_it_is_said_where_they_were_asked_for(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {"examples": tmp_path / "examples", "documents": write_documents(tmp_path / "documents")}
    hold_out(inputs["examples"], LEAST_CLUSTERS - 1)
    place = make_place(tmp_path)
    assert plan_validation(make_config(base), inputs, (30, 1000), place) is None
    assert capsys.readouterr().out == ""
    config = make_config(base, validation=ValidationConfig(every=5))
    assert plan_validation(config, inputs, (30, 8), place) is None
    assert "no validation: its queries are of fewer than 5 documents" in " ".join(capsys.readouterr().out.split())
    hold_out(inputs["examples"], LEAST_CLUSTERS)
    assert plan_validation(config, inputs, (30, 8), place)
    patient = make_config(base, validation=ValidationConfig(patience=2))
    assert plan_validation(patient, inputs, (30, 8), place) is None
    assert "so short a training leaves no time" in " ".join(capsys.readouterr().out.split())
