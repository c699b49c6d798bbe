"""The driver's side of training: rows, negatives, batch plan, Ray Train, card, record.

In: kept examples. Out: the model folder and the record of the step. Nothing here computes on tensors.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.model import Losses, ModelRecord
from engine.errors import UserError
from training.batches.plan import RowKeys, fitting_batch_size, plan_epochs, wanted_batch_size
from training.card import CardFacts, render_card
from training.config import ModelConfig
from training.workers.launch import Crew, Lesson, choose_crew, crew_text, fit
from training.workers.worker import Job

if TYPE_CHECKING:
    from engine.runtime.place import Place


_COLUMNS = ["query", "passage", "passage_id", "document_id"]


def train_model(config: ModelConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ModelRecord:
    """Tunes `config.base` on the kept examples of split "train" and writes the model to `output`.

    Args:
        config: how.
        inputs: the folders "documents" (read for hard negatives only) and "examples".
        output: becomes a sentence-transformers folder.
        place: where.

    Raises:
        UserError: no base model, too few examples, or more workers than the cluster can hold.
    """
    from engine.models.resolve import resolve_model

    started = time.perf_counter()
    base = resolve_model(config.base, key="model.base")
    rows = read_rows(inputs["examples"])
    place.start_ray()
    crew = choose_crew(config, place)
    lesson = _prepare(config, rows, crew, inputs["documents"], place)
    steps, batch_size = lesson.plan.shape
    config = config.with_batch_size(batch_size)
    place.console.step("model", f"{lesson.num_examples:,} examples, {steps:,} steps of {batch_size}, {crew_text(crew)}")
    prepared = time.perf_counter()
    job = Job(config, base, output.resolve(), place.logs.resolve(), steps, batch_size, crew.threads)
    measured = fit(job, lesson, crew, place)
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    seconds = {"prepare": prepared - started, **measured["seconds"], "total": time.perf_counter() - started}
    seconds["start"] = max(0.0, seconds["total"] - sum(value for name, value in seconds.items() if name != "total"))
    (output / "README.md").write_text(_card(config, lesson, measured), encoding="utf-8")
    return _record(config, lesson, measured, {name: round(value, 3) for name, value in seconds.items()})


def read_rows(examples: Path) -> pa.Table:
    """The training examples: kept, and of split "train"."""
    return ExamplesFolder(examples).kept(_COLUMNS, split="train").combine_chunks()


def _prepare(config: ModelConfig, rows: pa.Table, crew: Crew, documents: Path, place: Place) -> Lesson:
    num_documents = len(rows["document_id"].unique())
    if num_documents < 2:
        raise _too_few(rows, num_documents)
    num_random, negative_documents = 0, list[list[str]]()
    if config.num_hard_negatives:
        from training.negatives import mine_negatives

        mined = mine_negatives(config, rows, documents, place)
        num_random, negative_documents = mined.num_filled, mined.documents
        for index in range(config.num_hard_negatives):
            rows = rows.append_column(f"negative_{index}", pa.array([texts[index] for texts in mined.texts]))
    keys = RowKeys(
        passages=rows["passage"].to_pylist(),
        documents=rows["document_id"].to_pylist(),
        queries=[" ".join(query.casefold().split()) for query in rows["query"].to_pylist()],
        negatives=negative_documents,
    )
    wanted = wanted_batch_size(rows.num_rows, config.batch_size) // crew.size * crew.size
    size = fitting_batch_size(keys, batch_size=wanted, world_size=crew.size, seed=config.seed)
    if size < 2:
        raise _too_few(rows, num_documents)
    if size < wanted:
        place.console.warn(f"batches of {size} rows instead of {wanted}: too few documents")
    plan = plan_epochs(keys, batch_size=size, world_size=crew.size, seed=config.seed, epochs=config.epochs)
    columns = [name for name in rows.column_names if not name.endswith("_id")]
    return Lesson(rows.select(columns), plan, num_examples=rows.num_rows, num_random_negatives=num_random)


def _too_few(rows: pa.Table, num_documents: int) -> UserError:
    return UserError(
        f"{rows.num_rows} training examples of {num_documents} documents are too few to train on",
        where="examples/kept.parquet",
        remedy="give more documents, plan more samples, or loosen the filters of examples",
    )


def _record(
    config: ModelConfig, lesson: Lesson, measured: Mapping[str, Any], seconds: Mapping[str, float]
) -> ModelRecord:
    losses = measured["losses"]
    some = max(1, math.ceil(len(losses) / 10))
    pace = measured["seconds_per_step"]
    return ModelRecord(
        pairs_per_second=round(lesson.plan.shape[1] / pace, 3) if pace else 0.0,
        steps=measured["steps"],
        examples=lesson.num_examples,
        epochs=config.epochs,
        batch_size=lesson.plan.shape[1],
        learning_rate=config.learning_rate,
        examples_per_epoch=lesson.plan.size // config.epochs,
        loss=Losses(
            first=round(statistics.fmean(losses[:some]), 4) if losses else 0.0,
            last=round(statistics.fmean(losses[-some:]), 4) if losses else 0.0,
        ),
        world_size=measured["world_size"],
        precision=measured["precision"],
        loss_kind=measured["loss"],
        resumed_at_step=measured["first_step"],
        random_negatives=lesson.num_random_negatives,
        seconds=seconds,
    )


def _card(config: ModelConfig, lesson: Lesson, measured: Mapping[str, Any]) -> str:
    names = ("epochs", "warmup_share", "weight_decay", "scale", "symmetric", "train_max_tokens")
    return render_card(
        CardFacts(
            title=f"{Path(config.base.removeprefix('bundled:')).name}, tuned",
            base=config.base,
            dimensions=measured["dimensions"],
            max_tokens=measured["max_tokens"],
            query_prefix=config.query_prefix,
            passage_prefix=config.passage_prefix,
            data={
                "training pairs": f"{lesson.num_examples:,}",
                "different passages": f"{len(lesson.rows['passage'].unique()):,}",
                "hard negatives per query": config.num_hard_negatives,
            },
            settings={
                "loss": measured["loss"],
                "batch size": lesson.plan.shape[1],
                "learning_rate": f"{config.learning_rate:.3g}",
                "steps": measured["steps"],
                "precision": measured["precision"],
                **{name: getattr(config, name) for name in names},
            },
        )
    )
