"""Examples of every form, tiny models of every family, and what a report of them says, for tests of `eval.given`."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE, ExamplesRecord
from engine.artifacts.forms import Form, given_schema
from engine.storage.store import finish
from tests.support.small_run import MODEL_RECORD, step_record
from tests.support.training import WORDS

LABELS = ("even", "odd", "none")


def write_given(folder: Path, form: Form, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes rows as a finished examples folder; every second document is held out."""
    folder.mkdir(parents=True)
    table = [
        {
            "sample_id": number,
            "passage_id": f"p{number}",
            "document_id": f"d{number}",
            "split": "validation" if number % 2 else "train",
            "reason": "",
            "detail": "",
            **row,
        }
        for number, row in enumerate(rows)
    ]
    schema = given_schema(form)
    pq.write_table(pa.Table.from_pylist(table, schema=schema), folder / KEPT_FILE)
    pq.write_table(schema.empty_table(), folder / REJECTED_FILE)
    half = len(table) // 2
    record = ExamplesRecord(len(table), len(table) - half, half, {}, {})
    finish(folder, step_record("examples", folder, record))
    return folder


def sentences(count: int, seed: int = 0) -> list[str]:
    """Texts of six words that the tiny tokenizer knows."""
    rng = random.Random(seed)
    return [" ".join(rng.sample(WORDS, 6)) for _ in range(count)]


def pair_rows(count: int) -> list[dict[str, Any]]:
    """Queries of three words of their passage, two for each passage."""
    passages = sentences(count // 2 + 1)
    rows = []
    for number in range(count):
        passage = passages[number // 2]
        rows.append({"query": " ".join(passage.split()[number % 2 :: 2]), "passage": passage})
    return rows


def graded_rows(count: int) -> list[dict[str, Any]]:
    """Pairs of texts with as many equal words as their grade says."""
    first, second = sentences(count), sentences(count, seed=1)
    rows = []
    for number, (left, right) in enumerate(zip(first, second, strict=True)):
        same = number % 7
        mixed = [*left.split()[:same], *right.split()[same:]]
        rows.append({"query": left, "passage": " ".join(mixed), "score": same / 6})
    return rows


def labelled_rows(count: int, *, several: bool = False) -> list[dict[str, Any]]:
    """Texts with a label, or with any number of them."""
    texts = sentences(count)
    return [
        {"text": text, "labels": list(LABELS[: number % 3]) if several else [LABELS[number % 3]]}
        for number, text in enumerate(texts)
    ]


def write_classifier(folder: Path, base: Path, *, several: bool = False, temperature: float = 1.0) -> Path:
    """A random classifier over the tokenizer and the shape of a base of `write_base`, labels `LABELS`."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    kind = "multi_label_classification" if several else "single_label_classification"
    names = dict(enumerate(LABELS))
    shape = BertConfig.from_pretrained(base, id2label=names, problem_type=kind, initializer_range=0.4)
    torch.manual_seed(2)
    BertForSequenceClassification(shape).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"temperature": temperature}))
    return folder


def finish_model(folder: Path, family: str) -> Path:
    """Makes a folder with a model a finished model folder."""
    finish(folder, step_record("model", folder, replace(MODEL_RECORD, family=family)))
    return folder
