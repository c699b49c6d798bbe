"""What tests of model families share: a training without Ray, small plain models, and a Python without our packages."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.forms import Form, given_schema
from tests.support.training import make_config, make_job, write_base
from training.labels import HeldOut, Labels
from training.losses.settings import Loss
from training.workers.job import TrainingJob

PAIRS = pa.table(
    {
        "query": ["word1 word2", "word11 word12"],
        "passage": ["word1 word2 word3", "word11 word12 word13 word14"],
        "negative_0": ["word21 word22", "word31 word32 word33"],
    }
)
LABELLED = pa.table(
    {
        "text": ["word1 word2", "word11 word12 word13"],
        "targets": pa.array([[0], [1]], pa.list_(pa.int32())),
        "weight": pa.array([1.0, 1.0], pa.float32()),
    }
)
LABELS = Labels(("bees", "wasps"), False, (), HeldOut(("word1 word2", "word11 word12"), ((0,), (1,))))


def job_of(base: Path, output: Path, *, labels: Labels | None = None, steps: int = 20, **changes: Any) -> TrainingJob:
    """A training of a base that a test names."""
    output.mkdir(parents=True, exist_ok=True)
    return make_job(make_config(base, **changes), output, total_steps=steps, labels=labels)


def make_trainer(job: TrainingJob, batches: Sequence[pa.Table], folder: Path) -> Any:
    """The trainer of a family, with its model as a worker loads it."""
    import torch

    from training.families.family import family_of
    from training.workers.trainer import make_arguments

    family = family_of(job.config)
    torch.manual_seed(0)
    model = family.load(job)
    kind = family.loss(job)
    texts = {"kind": family.trainer.training_args_class, **family.text_arguments(job)}
    return family.trainer(
        batches=lambda: iter(batches),
        model=model,
        args=make_arguments(job, folder, share=batches[0].num_rows, bf16=False, on_cpu=True, **texts),
        data_collator=family.collator(job, model),
        loss=family.build_loss(Loss.mnrl if kind is Loss.auto else kind, job, model, world_size=1, on_cpu=True),
    )


def fit(job: TrainingJob, batch: pa.Table, folder: Path) -> tuple[Any, list[float]]:
    """Trains on one batch again and again, in this process; returns the model and the losses."""
    trainer = make_trainer(job, [batch] * job.total_steps, folder)
    trainer.train()
    return trainer.model, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def write_plain_llama(folder: Path) -> Path:
    """A decoder of two small layers, without a token for padding, whose tokenizer has a template for chats."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(write_base(folder / "base"))
    tokenizer.add_special_tokens({"eos_token": "[SEP]"})
    tokenizer.pad_token = None
    tokenizer.padding_side = "left"
    tokenizer.chat_template = "{% for message in messages %}chat : {{ message.content }}{% endfor %}"
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        pad_token_id=None,
    )
    LlamaForCausalLM(shape).save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")
    return folder / "llama"


def elsewhere(code: str, folder: Path, *arguments: object) -> Any:
    """What Python code prints as JSON where none of our packages can be imported, only the libraries.

    Args:
        code: reads its arguments from sys.argv[1:].
        folder: where it runs.
        arguments: what it is called with.
    """
    libraries = sysconfig.get_path("purelib")
    alone = (
        f"import sys, importlib.util; sys.path.append({libraries!r}); assert not importlib.util.find_spec('engine')\n"
    )
    command = [sys.executable, "-I", "-S", "-c", alone + code, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write_labelled(folder: Path, count: int) -> Path:
    """Examples that are labelled by their first word, one of two; every tenth is held out."""
    rng = random.Random(0)
    rows = []
    for number in range(count):
        words = [f"word{number % 2}", *(f"word{rng.randrange(2, 200)}" for _ in range(3))]
        row = {"text": " ".join(words), "labels": [("even", "odd")[number % 2]], "sample_id": number}
        ids = {"passage_id": f"p{number}", "document_id": f"d{number}", "reason": "", "detail": ""}
        rows.append({**row, **ids, "split": "train" if number % 10 else "validation"})
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=given_schema(Form.labelled)), folder / "kept.parquet")
    return folder
