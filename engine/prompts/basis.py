"""Gathers what a plan is made from: the task with the values of its conditions, and the pool of demonstrations.

In: the configs, the documents, and what the generator wrote in round 0 where it was asked to. Out: a PlanBasis, which
is stored with the plan, so that later rounds read it and gather nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder
from engine.models.tokenizer import load_tokenizer
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.judged import Titled
from engine.prompts.demonstrations.pool import complete, load_pool, shorten
from engine.prompts.round_zero import DEMONSTRATIONS, VALUES, read_demonstrations, with_values
from engine.task.compiled import Task, compile_task
from engine.task.config import TaskConfig
from engine.task.render import Demonstration
from engine.task.turns import shows_documents

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class PlanBasis:
    """The task and the demonstrations of a plan."""

    task: TaskConfig
    """The task with the values of every condition."""
    pool: list[Demonstration]
    drawn: TaskConfig
    """The task whose weights conditions are drawn by; another one than `task` in later rounds only."""
    compiled: Task
    """The turns of the task, compiled once, without demonstrations."""


def gather_basis(config: PromptsConfig, inputs: Mapping[str, Path]) -> PlanBasis:
    """Gathers the basis of the first round, as configured or as the generator wrote it.

    Args:
        config: the config of the prompts step.
        inputs: the documents folder, and the folders of round 0 where it has any.

    Raises:
        UserError: there are no demonstrations where the config says, or the model wrote no value.
    """
    task = written_task(config.task, inputs)
    compiled = compile_task(task)
    pool = _pool(config, compiled, inputs)
    tokenizer = load_tokenizer(config.model, key="samples.model")
    pool = _shortened(pool, config.demonstrations.max_document_tokens, tokenizer)
    return PlanBasis(task, pool, drawn=task, compiled=compiled)


def written_task(task: TaskConfig, inputs: Mapping[str, Path]) -> TaskConfig:
    """Returns the task with the values that round 0 wrote, where it wrote any."""
    return with_values(task, inputs[VALUES]) if VALUES in inputs else task


def read_basis(prompts: Path) -> PlanBasis:
    """Reads the basis that an earlier round was planned on.

    Args:
        prompts: the folder of its plan.
    """
    folder = PromptsFolder(prompts)
    task = folder.task()
    return PlanBasis(task, folder.pool(), drawn=task, compiled=compile_task(task))


def _pool(config: PromptsConfig, task: Task, inputs: Mapping[str, Path]) -> list[Demonstration]:
    shown, documents = config.demonstrations, inputs["documents"]
    if shown.self_instruct:
        conditions = list(task.config.attributes)
        return read_demonstrations(inputs[DEMONSTRATIONS], documents, conditions, count=shown.self_instruct)
    with_documents = any(map(shows_documents, task.turns.values()))
    texts = _texts(DocumentsFolder(documents).passages(["document_id", "title", "text"])) if shown.from_qrels else {}
    pool = load_pool(shown, texts, with_documents=with_documents)
    return complete(pool, task.config.attributes) if shown.from_qrels and shown.complete else pool


def _texts(passages: pa.Table) -> dict[str, Titled]:
    """Maps a document id to its title and first passage, as prompts show them; documents without text are left out."""
    texts: dict[str, Titled] = {}
    for row in passages.to_pylist():
        title, text = row["title"].strip(), row["text"].strip()
        whole = f"{title}. {text}".strip() if title and not text.startswith(title) else text
        if whole:
            texts.setdefault(row["document_id"], Titled(title, whole))
    return texts


def _shortened(pool: Sequence[Demonstration], limit: int, tokenizer: Tokenizer) -> list[Demonstration]:
    encodings = tokenizer.encode_batch([shown.document for shown in pool], add_special_tokens=False)
    return [
        shorten(shown, [end for _, end in encoding.offsets], limit)
        for shown, encoding in zip(pool, encodings, strict=True)
    ]
