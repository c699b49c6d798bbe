"""The model step through real Ray Train, on a BERT of two small layers made here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.artifacts.forms import Form, given_schema
from engine.artifacts.model import ModelRecord
from engine.errors import UserError
from engine.models.precision import Precision
from engine.storage.store import RECORD, finish
from engine.storage.typed import from_json_values, to_json_values
from tests.support.small_run import step_record
from tests.support.training import (
    Points,
    make_config,
    make_passages,
    make_place,
    train,
    train_on,
    with_settings,
    write_documents,
    write_given,
)
from tests.training.validation.test_queries import hold_out
from training.config import Family
from training.resume import checkpoints_of
from training.step import train_model
from training.validation.config import ValidationConfig
from training.workers import launch, worker
from training.workers.job import TrainingJob


@dataclass(frozen=True)
class Trained:
    """A training that went through, its model's folder, and what the tracker was told."""

    record: ModelRecord
    output: Path
    tracker: Points


@pytest.fixture(scope="module")
def trained(ray_session: None, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    tracker, config = Points(), make_config(base, epochs=8, batch_size=32, query_prefix="query : ")
    return Trained(*train(config, tmp_path_factory.mktemp("trained"), tracker), tracker)


def test_a_trained_model_loads_and_has_learned(trained: Trained, base: Path) -> None:
    from sentence_transformers import SentenceTransformer

    record, output = trained.record, trained.output
    assert record.loss.last < 0.8 * record.loss.first
    assert record.examples == 95
    assert record.batch_size == 19, "few rows make smaller steps, a fifth of the rows each"
    assert record.steps == record.epochs * record.examples_per_epoch / 19
    assert record.learning_rate == pytest.approx(3e-3 * math.sqrt(19 / 32)), "and at a smaller rate"
    assert record.world_size == 1
    assert record.precision == "fp32"
    assert record.loss_kind == "mnrl", "so small a model fits"
    assert record.pairs_per_second > 0
    assert list(record.seconds) == ["prepare", "earlier", "load", "loop", "save", "total", "start"]
    assert record.seconds["earlier"] == 0
    assert all(seconds >= 0 for seconds in record.seconds.values())
    assert from_json_values(ModelRecord, json.loads(json.dumps(to_json_values(record)))) == record

    model = SentenceTransformer(str(output), device="cpu", local_files_only=True)
    assert model.max_seq_length == 48
    assert (model.prompts["query"], model.prompts["document"]) == ("query : ", "")
    assert {str(parameter.dtype) for parameter in model.parameters()} == {"torch.float32"}
    assert model.encode_query(["word1"]).shape == (1, 32)
    assert (output / "model.safetensors").is_file()
    assert not checkpoints_of(output).exists()
    card = (output / "README.md").read_text()
    assert "| training pairs | 95 |" in card
    assert "wandb" not in card
    texts = [path for path in output.rglob("*") if path.suffix in {".json", ".md", ".txt"} and path.name != RECORD]
    assert not [path for path in texts if str(base.parent) in path.read_text()], "no path of this machine"


def test_each_step_is_tracked(trained: Trained) -> None:
    record, tracker = trained.record, trained.tracker
    assert [step for _, _, step in tracker.points] == list(range(1, record.steps + 1))
    assert all(noun == "model" and set(point) == {"loss", "learning_rate"} for noun, point, _ in tracker.points)
    assert max(point["learning_rate"] for _, point, _ in tracker.points) == pytest.approx(record.learning_rate)


def test_too_few_examples_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 training examples of 1 documents"):
        train(make_config(base), tmp_path, count=3, documents=1)


def test_examples_of_a_form_that_no_loss_reads_are_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    pq.write_table(given_schema(Form.labelled).empty_table(), tmp_path / "examples" / "kept.parquet")
    inputs = {"examples": tmp_path / "examples"}
    with pytest.raises(UserError, match="no bi_encoder is trained on examples that are labelled"):
        train_model(make_config(base), inputs, tmp_path / "model", make_place(tmp_path))


def test_too_few_documents_for_the_workers_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="49 training examples of 2 documents"):
        train(make_config(base, num_workers=2), tmp_path, count=50, documents=2)


def test_more_workers_than_cores_are_refused(ray_session: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="64 training workers of 1 CPU each do not fit"):
        train(make_config(base, num_workers=64, batch_size=64), tmp_path)


def failing() -> Callable[[dict[str, Any]], object]:
    """What a worker does that fails before it imports anything large."""
    plain = worker.train_on_rank

    def train_and_fail(settings: dict[str, Any]) -> object:
        def fail(job: TrainingJob) -> None:
            raise OSError(f"{job.output} cannot be written")

        from training.workers import worker as here

        here._set_up_rank = fail  # type: ignore[assignment]
        return plain(settings)

    return train_and_fail


def test_a_trainer_that_fails_says_where_its_log_is(
    ray_session: None, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "train_on_rank", failing())
    with pytest.raises(RuntimeError, match=r"training-0\.log:\n(?s:.*)cannot be written"):
        train(make_config(base, epochs=1, max_failures=0), tmp_path)


def test_a_training_that_diverges_fails_and_leaves_no_model(
    local_training: None, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.config.HIGHEST_RATE", 1e30)
    config = make_config(base, learning_rate=1e30)
    with pytest.raises(UserError, match=r"training diverged: at step \d+ of 22 the loss is nan") as caught:
        train(config, tmp_path)
    assert caught.value.where == "model.learning_rate=1e+30"
    assert "lower it" in caught.value.remedy
    assert not list((tmp_path / "model").iterdir())


def test_a_base_for_dot_products_with_hard_negatives_is_trained_and_saved_as_one(
    local_training: None, base: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "query : ", "passage": "word1 "}
    e5 = with_settings(base, tmp_path / "e5", prompts=prompts, similarity_fn_name="dot")
    mined = {"num_hard_negatives": 2, "symmetric": True, "hard_negative_last_rank": 1}
    record, output = train(make_config(e5, epochs=1, **mined), tmp_path)
    assert record.steps > 0
    assert 95 <= record.random_negatives <= 190, "one rank holds at most one of the two negatives of a row"
    model = SentenceTransformer(str(output), device="cpu", local_files_only=True)
    assert model.similarity_fn_name == "dot"
    assert (model.prompts["query"], model.prompts["document"]) == ("query : ", "word1 ")
    card = (output / "README.md").read_text()
    for part in ("compared by dot product", "`'query : '` (the base's own)", "`'word1 '` (the base's own)"):
        assert part in card


@pytest.mark.soak
def test_an_iteration_begins_with_what_the_one_before_measured_and_saved(
    ray_session: None, base: Path, tmp_path: Path
) -> None:
    """The first is of two workers, of which one validates while the other waits."""
    tracker, records = Points(), list[ModelRecord]()
    inputs = {
        "documents": write_documents(tmp_path / "documents"),
        "examples": hold_out(tmp_path / "examples").path,
    }
    config = make_config(base, epochs=1, num_hard_negatives=1, validation=ValidationConfig(every=3))
    for num_workers in (2, 1):
        output = tmp_path / f"by-{num_workers}"
        output.mkdir()
        place = make_place(tmp_path, tracker)
        records.append(train_model(replace(config, num_workers=num_workers), inputs, output, place))
        finish(output, step_record("model", output, records[-1]))
        inputs["model"] = output
    first, second = records
    assert (first.iteration, first.earlier_steps, first.changed_negatives) == (1, 0, None)
    assert (second.iteration, second.earlier_steps) == (2, first.steps)
    assert second.changed_negatives is not None
    assert 0 < second.changed_negatives <= 1
    assert (first.world_size, second.world_size, first.base_share) == (2, 1, 0.5)
    assert first.validation
    assert second.validation
    assert [validated.step for validated in first.validation.curve] == [0, 3, first.steps]
    assert second.validation.curve[0].ndcg == pytest.approx(first.validation.curve[-1].ndcg, abs=1e-6)
    tracked = [step for _, point, step in tracker.points if "validation_ndcg_at_10" in point]
    assert tracked == [0, 3, first.steps, first.steps, first.steps + 3, first.steps + second.steps]


@pytest.mark.soak
def test_plain_texts_are_denoised_by_two_workers(ray_session: None, base: Path, tmp_path: Path) -> None:
    """Through the plan, the noise, gradients of both workers, and weights that only the decoder has."""
    examples = write_given(tmp_path / "examples", Form.texts, {"text": make_passages(48)})
    record, output = train_on(make_config(base, epochs=4, num_workers=2), tmp_path, examples)
    assert (record.loss_kind, record.world_size, record.examples) == ("denoising", 2, 48)
    assert record.loss.last < record.loss.first
    assert "| training texts | 48 |" in (output / "README.md").read_text()


def test_a_cross_encoder_is_trained_on_what_the_base_takes_for_answers(
    local_training: None, base: Path, tmp_path: Path
) -> None:
    from sentence_transformers import CrossEncoder

    config = make_config(base, family=Family.cross_encoder, num_hard_negatives=2, epochs=3, precision=Precision.bf16)
    record, output = train(config, tmp_path)
    assert (record.family, record.loss_kind, record.precision) == ("cross_encoder", "binary_cross_entropy", "bf16")
    assert record.loss.last < record.loss.first
    assert CrossEncoder(str(output), device="cpu", local_files_only=True).num_labels == 1
    assert "| hard negatives per query | 2 |" in (output / "README.md").read_text()
