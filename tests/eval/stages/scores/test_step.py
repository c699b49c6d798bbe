"""One model of several is measured on questions and graded pairs of both sides, as plain code measures it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form
from engine.artifacts.sweeps import StageScoresFolder, StageScoresRecord
from engine.errors import UserError
from engine.search.encoder import Encoder, EncoderConfig
from engine.storage.store import finish
from eval.stages.scores.config import StageScoresConfig
from eval.stages.scores.read import SPLITS, read_graded, read_questions
from eval.stages.scores.step import score_stage
from tests.support.given import graded_rows, pair_rows, write_given
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.small_run import MODEL_RECORD, small_config, step_record


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, and examples of both forms, of which every second document is held out."""
    home = tmp_path_factory.mktemp("scores")
    for folder, family in ((write_cross_encoder(home), "cross_encoder"), (home / "base" / "encoder", "bi_encoder")):
        finish(folder, step_record("model", folder, replace(MODEL_RECORD, family=family, seconds={"total": 3.0})))
    pairs = [{**row, "document_id": f"d{number // 2}"} for number, row in enumerate(pair_rows(40))]
    split = [{**row, "split": "validation" if number // 2 % 2 else "train"} for number, row in enumerate(pairs)]
    write_given(home / "pairs", Form.pairs, split)
    write_given(home / "graded", Form.graded, graded_rows(40))
    return home


def scored(home: Path, output: Path, inputs: dict[str, Path], **settings: Any) -> StageScoresRecord:
    """Runs the step on both sets."""
    encoder = EncoderConfig(str(home / "base" / "encoder"), "", "", 32)
    config = StageScoresConfig(("sts", "questions"), encoder, replace(small_config(), encoder=encoder), 0)
    output.mkdir()
    sets = {"sts": home / "graded", "questions": home / "pairs"}
    return score_stage(replace(config, **settings), {**sets, **inputs}, output, quiet_place(output.parent))


def test_the_base_is_measured_beside_words_on_both_sides(home: Path, tmp_path: Path) -> None:
    record = scored(home, tmp_path / "out", {})
    assert (record.questions, record.pairs, record.passages, record.training) == (80, 40, {"questions": 20}, None)
    assert {name: set(times) for name, times in record.seconds_per_1000.items()} == {"questions": {"base", "bm25"}}
    table = pq.read_table(StageScoresFolder(tmp_path / "out").questions_file)
    words = table.filter(pc.equal(table["system"], "bm25"))
    assert pc.mean(words["hit@10"]).as_py() > 0.9, "queries are words of their passage"
    counts = {split: len(words.filter(pc.equal(words["split"], split))) for split in SPLITS}
    assert counts == {"validation": 20, "train": 20}
    assert len(set(words["cluster"].to_pylist())) == 20, "two queries of each document are one unit"


def test_a_model_is_measured_as_plain_code_measures_it(home: Path, tmp_path: Path) -> None:
    model = home / "base" / "encoder"
    record = scored(home, tmp_path / "out", {"model": model})
    assert record.training
    assert record.training.family == "bi_encoder"
    encoder = Encoder(EncoderConfig(str(model), "", "", 32), device="cpu")
    questions = read_questions(ExamplesFolder(home / "pairs"), 0)
    texts, passages = questions.corpus.texts, questions.corpus.passage_ids
    vectors = encoder.encode_passages(texts)
    table = pq.read_table(StageScoresFolder(tmp_path / "out").questions_file)
    for split, benchmark in questions.benchmarks.items():
        found = encoder.encode_queries(list(benchmark.queries.values())) @ vectors.T
        first = [passages[row] for row in np.argmax(found, axis=1)]
        hits = [name in benchmark.qrels[query] for query, name in zip(benchmark.queries, first, strict=True)]
        rows = table.filter(pc.equal(table["split"], split))
        assert pc.mean(rows["hit@1"]).as_py() == pytest.approx(np.mean(hits))
    pairs = read_graded(ExamplesFolder(home / "graded"), 0)["validation"]
    left, right = encoder.encode_queries(pairs.firsts), encoder.encode_passages(pairs.seconds)
    graded = pq.read_table(StageScoresFolder(tmp_path / "out").pairs_file)
    rows = graded.filter(pc.equal(graded["split"], "validation"))
    assert rows["sample_id"].to_pylist() == pairs.ids
    assert np.allclose(rows["score"].to_numpy(), (left * right).sum(axis=1), atol=1e-5)


def test_a_reranker_orders_what_another_model_finds_for_held_out_questions_only(home: Path, tmp_path: Path) -> None:
    models = {"model": home / "cross", "first": home / "base" / "encoder"}
    record = scored(home, tmp_path / "out", models, depth=5)
    assert (record.questions, record.pairs) == (20, 0)
    assert list(record.seconds_per_1000["questions"]) == ["model"]
    table = pq.read_table(StageScoresFolder(tmp_path / "out").questions_file)
    assert set(table["split"].to_pylist()) == {"validation"}
    scored(home, tmp_path / "first", {"model": models["first"]})
    first = pq.read_table(StageScoresFolder(tmp_path / "first").questions_file).slice(0, 20)
    assert table["query_id"].equals(first["query_id"])
    missed = np.asarray(first["hit@10"].to_numpy() == 0)
    assert not table["hit@10"].to_numpy()[missed].any(), "what is not found cannot be ordered"


def test_sets_of_questions_have_passages_and_times_of_their_own(home: Path, tmp_path: Path) -> None:
    write_given(tmp_path / "more", Form.pairs, pair_rows(60))
    encoder = EncoderConfig(str(home / "base" / "encoder"), "", "", 32)
    config = StageScoresConfig(("more", "questions"), encoder, replace(small_config(), encoder=encoder), 0)
    (tmp_path / "out").mkdir()
    inputs = {"more": tmp_path / "more", "questions": home / "pairs"}
    record = score_stage(config, inputs, tmp_path / "out", quiet_place(tmp_path))
    assert record.passages == {"more": 30, "questions": 20}
    assert set(record.seconds_per_1000) == {"more", "questions"}


def test_a_limit_takes_as_many_of_both_sides_from_all_passages(home: Path) -> None:
    folder = ExamplesFolder(home / "pairs")
    few = read_questions(folder, 5)
    assert {split: len(benchmark.queries) for split, benchmark in few.benchmarks.items()} == {
        "validation": 5,
        "train": 5,
    }
    assert len(few.corpus.texts) == len(read_questions(folder, 0).corpus.texts) == 20
    assert [len(side.ids) for side in read_graded(ExamplesFolder(home / "graded"), 7).values()] == [7, 7]


def test_nothing_held_out_is_refused_before_anything_is_trained(home: Path, tmp_path: Path) -> None:
    write_given(tmp_path / "pairs", Form.pairs, [{**row, "split": "train"} for row in pair_rows(8)])
    write_given(tmp_path / "texts", Form.texts, [{"text": "held out", "split": "validation"}])
    encoder = EncoderConfig(str(home / "base" / "encoder"), "", "", 32)
    config = StageScoresConfig(("pairs", "texts"), encoder, replace(small_config(), encoder=encoder), 0)
    inputs = {name: tmp_path / name for name in config.sets}
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"stages.sets: nothing is held out of pairs, texts to measure on"):
        score_stage(config, inputs, tmp_path / "out", quiet_place(tmp_path))
    assert not list((tmp_path / "out").iterdir())


def test_depth_limit_and_sets_are_in_the_identity(home: Path) -> None:
    encoder = EncoderConfig(str(home / "base" / "encoder"), "", "", 32)
    config = StageScoresConfig(("a",), encoder, replace(small_config(), encoder=encoder), 0)
    others = [replace(config, sets=("b",)), replace(config, limit=3), replace(config, depth=30)]
    assert len({str(each.identity()) for each in (config, *others)}) == 4
