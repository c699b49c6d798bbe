"""The model step through real Ray Train, on a BERT of two small layers made here."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES
from engine.errors import UserError
from engine.models.precision import Precision
from engine.runtime.cluster import ClusterConfig, quiet
from engine.runtime.console import Console
from engine.runtime.place import Place
from training.config import Loss, ModelConfig
from training.step import train_model

WORDS = [f"word{number}" for number in range(200)]


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    import ray

    quiet()
    started = not ray.is_initialized()
    if started:
        ray.init(num_cpus=6, object_store_memory=200 * 2**20, include_dashboard=False, log_to_driver=False)
    yield
    if started:
        ray.shutdown()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with mean pooling and a word-level tokenizer, as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", *WORDS]))
    BertWordPieceTokenizer(str(vocabulary)).save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=207,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    plain = tmp_path_factory.mktemp("plain")
    BertModel(shape).save_pretrained(plain)
    BertTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), vocab_file=str(vocabulary)).save_pretrained(plain)
    made = tmp_path_factory.mktemp("encoder")
    SentenceTransformer(str(plain), device="cpu").save_pretrained(str(made), create_model_card=False)
    return made


class Points:
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.points: list[tuple[str, dict[str, float], int]] = []

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        self.points.append((noun, metrics, step))


def make_place(tmp_path: Path, tracker: Any = None) -> Place:
    logs = tmp_path / "logs"
    logs.mkdir(exist_ok=True)
    parts = SimpleNamespace(
        run_dir=tmp_path,
        store_dir=tmp_path / "store",
        embeddings=tmp_path / "store" / "embeddings",
        cluster=ClusterConfig(),
        console=Console(),
        tracker=tracker or Points(),
        logs=logs,
        num_cpus=2,
        start_ray=lambda: None,  # the fixture has
    )
    return cast(Place, parts)


def write_examples(folder: Path, count: int = 96, documents: int = 48) -> Path:
    """Examples whose query is three words of its passage, and a validation row that must not be trained on."""
    rng = random.Random(0)
    passages = [" ".join(rng.sample(WORDS, rng.randint(6, 30))) for _ in range(documents)]
    rows = [
        {
            "sample_id": number,
            "passage_id": f"p{number % documents}",
            "document_id": f"d{number % documents}",
            "query": " ".join(rng.sample(passages[number % documents].split(), 3)),
            "passage": passages[number % documents],
            "split": "train" if number else "validation",
            "reason": "",
            "detail": "",
            "round_trip_rank": 1,
            "logprob": 0.0,
        }
        for number in range(count)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), folder / "kept.parquet")
    return folder


def make_config(base: Path, **changes: Any) -> ModelConfig:
    settings: dict[str, Any] = {
        "base": str(base),
        "learning_rate": 3e-3,
        "batch_size": 8,
        "epochs": 2,
        "seed": 0,
        "max_tokens": 48,
        "train_max_tokens": 24,
        "precision": Precision.fp32,
        "rows_per_pass": 3,
    }
    return ModelConfig(**(settings | changes))


def train(config: ModelConfig, tmp_path: Path, **options: Any) -> tuple[dict[str, Any], Path]:
    examples = write_examples(tmp_path / "examples", **options)
    output = tmp_path / "model"
    output.mkdir(exist_ok=True)
    inputs = {"examples": examples, "documents": tmp_path / "documents"}
    return cast(dict[str, Any], train_model(config, inputs, output, make_place(tmp_path))), output


def test_a_trained_model_loads_and_has_learned(ray_here: None, base: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    tracker = Points()
    examples = write_examples(tmp_path / "examples")
    output = tmp_path / "model"
    output.mkdir()
    config = make_config(base, epochs=8, batch_size=32, query_prefix="query : ")
    inputs = {"examples": examples, "documents": tmp_path / "documents"}
    record = cast(dict[str, Any], train_model(config, inputs, output, make_place(tmp_path, tracker)))

    assert record["loss"]["last"] < 0.8 * record["loss"]["first"]
    assert record["examples"] == 95
    assert record["batch_size"] == 19, "few rows make smaller steps, a fifth of the rows each"
    assert record["steps"] == record["epochs"] * record["examples_per_epoch"] / 19
    assert record["learning_rate"] == pytest.approx(3e-3 * math.sqrt(19 / 32)), "and at a smaller rate"
    assert record["world_size"] == 1
    assert record["precision"] == "fp32"
    assert record["loss_kind"] == "mnrl", "so small a model fits"
    assert record["pairs_per_second"] > 0
    assert json.dumps(record)

    model = SentenceTransformer(str(output), device="cpu", local_files_only=True)
    assert model.max_seq_length == 48
    assert model.prompts == {"query": "query : ", "document": ""}
    assert {parameter.dtype.__str__() for parameter in model.parameters()} == {"torch.float32"}
    assert model.encode_query(["word1"]).shape == (1, 32)
    assert (output / "model.safetensors").is_file()
    assert not (output / "checkpoints").exists()
    card = (output / "README.md").read_text()
    assert "Licence" in card
    assert "95" in card
    assert "wandb" not in card
    assert (tmp_path / "logs" / "training-0.log").stat().st_size > 0

    assert [step for _, _, step in tracker.points] == list(range(1, record["steps"] + 1))
    assert all(noun == "model" and {"loss", "learning_rate"} == set(found) for noun, found, _ in tracker.points)
    assert max(found["learning_rate"] for _, found, _ in tracker.points) == pytest.approx(record["learning_rate"])


def test_too_few_examples_are_refused(ray_here: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        train(make_config(base), tmp_path, count=3, documents=1)
    assert "2 training examples of 1 documents" in caught.value.what
    assert caught.value.where == "examples/kept.parquet"
    assert "more documents" in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"batch_size": 1}, "model.batch_size=1"),
        ({"learning_rate": 0.0}, "model.learning_rate=0.0"),
        ({"num_workers": 3}, "model.batch_size=8"),
        ({"hard_negative_first_rank": 60}, "model.hard_negative_first_rank=60"),
        ({"hard_negative_margin": 1.5}, "model.hard_negative_margin=1.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(base: Path, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        make_config(base, **changes)
    assert caught.value.where == where
    assert caught.value.remedy


def test_more_workers_than_cores_are_refused(ray_here: None, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="64 training workers do not fit"):
        train(make_config(base, num_workers=64, batch_size=64), tmp_path)


def test_the_identity_knows_the_weights_and_not_the_place(base: Path) -> None:
    from engine.runtime.identity import identity_of

    one, other = make_config(base, num_workers=1), make_config(base, num_workers=2, checkpoint_steps=7)
    assert identity_of(one) == identity_of(other)
    assert str(base) not in json.dumps(identity_of(one))
    assert identity_of(one) != identity_of(make_config(base, learning_rate=1e-5))


def test_a_trainer_that_fails_says_where_its_log_is(ray_here: None, base: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").mkdir()  # saving the weights must fail
    with pytest.raises(RuntimeError, match=r"training-0\.log"):
        train(make_config(base, epochs=1, max_failures=0), tmp_path)


@pytest.mark.slow
def test_hard_negatives_train_and_are_counted(ray_here: None, base: Path, tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "examples")
    kept = pq.read_table(examples / "kept.parquet").to_pylist()
    passages = {row["passage_id"]: row for row in kept}
    from engine.artifacts.columns import PASSAGES

    rows = [
        {
            "passage_id": name,
            "document_id": row["document_id"],
            "title": "",
            "text": row["passage"],
            "position": 0,
            "num_tokens": 20,
        }
        for name, row in sorted(passages.items())
    ]
    documents = tmp_path / "documents"
    documents.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), documents / "passages.parquet")
    record, output = train(make_config(base, num_hard_negatives=2, symmetric=True, epochs=1), tmp_path)
    assert record["steps"] > 0
    assert (output / "model.safetensors").is_file()
    assert record["random_negatives"] >= 0


@pytest.mark.slow
def test_a_killed_worker_goes_on_from_its_checkpoint(ray_here: None, base: Path, tmp_path: Path) -> None:
    """The process dies once, in the middle; the steps of the checkpoint are not trained again."""
    import os
    import signal
    import threading

    import psutil

    def kill_once() -> None:
        kept = tmp_path / "model" / "checkpoints" / "checkpoint_manager_snapshot.json"
        while not kept.is_file() or "checkpoint_2" not in kept.read_text():  # Ray Train knows of one
            if stop.wait(0.05):
                return
        for process in psutil.Process().children(recursive=True):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)

    stop = threading.Event()
    killer = threading.Thread(target=kill_once)
    killer.start()
    config = make_config(base, epochs=16, checkpoint_steps=60, max_failures=3)
    record, output = train(config, tmp_path)
    stop.set()
    killer.join()
    assert record["resumed_at_step"] >= 60
    assert record["resumed_at_step"] % 60 == 0
    assert record["resumed_at_step"] < record["steps"]
    assert record["loss"]["first"] > record["loss"]["last"]  # of the whole training, not of the rest
    assert record["steps"] == 16 * record["examples_per_epoch"] // 8
    assert (output / "model.safetensors").is_file()


def train_calmly(base: Path, tmp_path: Path, loss: Loss, num_workers: int) -> tuple[dict[str, Any], Path]:
    """Trains a copy of `base` that has no dropout."""
    calm = tmp_path / "calm"
    calm.mkdir()
    for file in base.iterdir():
        (calm / file.name).symlink_to(file)
    settings = json.loads((base / "config.json").read_text())
    (calm / "config.json").unlink()
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (calm / "config.json").write_text(json.dumps(settings | off))
    config = make_config(calm, epochs=1, num_workers=num_workers, loss=loss, mini_batch_size=2, learning_rate=1e-3)
    return train(config, tmp_path)


@pytest.fixture(scope="module")
def of_one_worker(ray_here: None, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    return train_calmly(base, tmp_path_factory.mktemp("one"), Loss.mnrl, 1)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [Loss.mnrl, Loss.cached_mnrl])
def test_two_workers_learn_what_one_learns(
    of_one_worker: tuple[dict[str, Any], Path], base: Path, tmp_path: Path, loss: Loss
) -> None:
    """Same plan, negatives gathered across workers, no dropout: the same weights but for rounding, cached or not."""
    from safetensors.numpy import load_file

    one, of_one = of_one_worker
    two, of_two = train_calmly(base, tmp_path, loss, 2)
    assert [one["world_size"], two["world_size"]] == [1, 2]
    assert one["steps"] == two["steps"]
    weights = load_file(of_two / "model.safetensors")
    for name, expected in load_file(of_one / "model.safetensors").items():
        assert np.allclose(expected, weights[name], atol=2e-4), name
    assert (tmp_path / "logs" / "training-1.log").stat().st_size > 0
