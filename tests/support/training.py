"""What tests of training share: a BERT of two small layers, examples to train it on, and a machine to train on."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import EXAMPLES, PASSAGES
from engine.artifacts.forms import Form, given_schema
from engine.artifacts.model import ModelRecord
from engine.models.precision import Precision
from engine.models.resolve import resolve_model
from engine.runtime.cluster import ClusterConfig
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Place
from training.config import ModelConfig
from training.labels import Labels
from training.losses.settings import Loss
from training.step import train_model
from training.workers.job import Figures, Measured, TrainingJob

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WORDS = [f"word{number}" for number in range(200)]
SPECIAL_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":"]

MEASURED = Measured(
    load_seconds=1.0,
    loop_seconds=2.0,
    save_seconds=0.5,
    seconds_per_step=0.1,
    losses=(2.0, 1.0),
    steps=20,
    resumed_at_step=0,
    world_size=1,
    precision=Precision.fp32,
    loss=Loss.mnrl,
    figures=Figures(scale=20.0, dimensions=32),
    max_tokens=48,
)


class NoEngines:
    """The engines of a machine that generates nothing."""

    def start(self, config: Any, place: Place, salt: str = "") -> Any:
        raise AssertionError("training starts no engine")

    def stop(self) -> None:
        pass

    def release(self, place: Place, purpose: str) -> None:
        pass

    def leave_gpu(self, place: Place) -> bool:
        return True


class Points:
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.points: list[tuple[str, dict[str, float], int]] = []

    def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
        self.points.append((noun, metrics, step))


def write_base(folder: Path) -> Path:
    """Writes a random BERT with mean pooling and a tokenizer of whole words, as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    plain, encoder = folder / "plain", folder / "encoder"
    plain.mkdir(parents=True)
    vocabulary, tokenizer = folder / "vocab.txt", folder / "tokenizer.json"
    vocabulary.write_text("\n".join([*SPECIAL_WORDS, *WORDS]))
    BertWordPieceTokenizer(str(vocabulary)).save(str(tokenizer))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(SPECIAL_WORDS) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(shape).save_pretrained(plain)
    BertTokenizerFast(tokenizer_file=str(tokenizer), vocab_file=str(vocabulary)).save_pretrained(plain)
    SentenceTransformer(str(plain), device="cpu").save_pretrained(str(encoder), create_model_card=False)
    return encoder


def make_passages(documents: int) -> list[str]:
    """Passages of six to thirty words, one per document."""
    rng = random.Random(0)
    return [" ".join(rng.sample(WORDS, rng.randint(6, 30))) for _ in range(documents)]


def write_examples(folder: Path, count: int = 96, documents: int = 48) -> Path:
    """Examples whose query is three words of its passage; the first one is of the split "validation"."""
    rng, passages = random.Random(1), make_passages(documents)
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
    pq.write_table(EXAMPLES.empty_table(), folder / "rejected.parquet")
    return folder


def write_documents(folder: Path, documents: int = 48) -> Path:
    """The documents folder that the examples are of."""
    rows = [
        {
            "passage_id": f"p{number}",
            "document_id": f"d{number}",
            "title": "",
            "text": text,
            "position": 0,
            "num_tokens": 20,
        }
        for number, text in enumerate(make_passages(documents))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=PASSAGES), folder / "passages.parquet")
    return folder


def make_config(base: Path, **changes: Any) -> ModelConfig:
    """A config that trains the small BERT in seconds."""
    settings: dict[str, Any] = {
        "base": str(base),
        "learning_rate": 3e-3,
        "batch_size": 8,
        "epochs": 2,
        "seed": 0,
        "max_tokens": 48,
        "train_max_tokens": 24,
        "precision": Precision.fp32,
        "tokens_per_pass": 32,
    }
    return ModelConfig(**(settings | changes))


def make_job(
    config: ModelConfig, folder: Path = Path("output"), *, total_steps: int = 20, labels: Labels | None = None
) -> TrainingJob:
    """What the workers of a training are told."""
    base = resolve_model(config.base, key="test")
    return TrainingJob(config, config.usage(), base, folder, Path("logs"), total_steps, threads=2, labels=labels)


def load(config: ModelConfig) -> SentenceTransformer:
    """The base of a config that names a folder, as a worker loads it."""
    from training.families.bi_encoder import load_base

    return load_base(config, config.usage(), Path(config.base))


def with_settings(base: Path, folder: Path, **settings: object) -> Path:
    """A copy of a base whose config_sentence_transformers.json has other values."""
    shutil.copytree(base, folder)
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


def make_place(folder: Path, tracker: Any = None) -> Place:
    """A machine with two cores; Ray runs already."""
    cluster, store = ClusterConfig(num_cpus=2), folder / "store"
    return Place(folder / "run", store, cluster, Console(), tracker or Points(), MemorySampler(), NoEngines())


def write_given(folder: Path, form: Form, columns: Mapping[str, Sequence[object]]) -> Path:
    """Examples of a form, each of a document of its own, with the first once more in the split "validation"."""
    count = len(next(iter(columns.values())))
    rows = [
        {"document_id": f"d{row}", "passage_id": f"p{row}", "split": "train"}
        | {name: values[row] for name, values in columns.items()}
        for row in range(count)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([*rows, rows[0] | {"split": "validation"}], schema=given_schema(form))
    pq.write_table(table, folder / "kept.parquet")
    return folder


def train(config: ModelConfig, folder: Path, tracker: Any = None, **examples: int) -> tuple[ModelRecord, Path]:
    """Trains on examples that it writes; returns the record and the model's folder."""
    return train_on(config, folder, write_examples(folder / "examples", **examples), tracker)


def train_on(config: ModelConfig, folder: Path, examples: Path, tracker: Any = None) -> tuple[ModelRecord, Path]:
    """Trains on examples that are there; returns the record and the model's folder."""
    output = folder / "model"
    output.mkdir(exist_ok=True)
    inputs = {"examples": examples, "documents": write_documents(folder / "documents")}
    return train_model(config, inputs, output, make_place(folder, tracker)), output
