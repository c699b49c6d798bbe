"""The prompts step: documents -> prompts, one row per planned sample; text is rendered where it is used.

In: passages, a task (templates and conditions), demonstrations. Out: `plan-*.parquet` (records.PROMPTS),
`demonstration_sets.parquet`, `task.json`. Refuses, before any engine has worked, templates that do not render
and prompts that leave the model no room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsRecord
from engine.models.tokenizer import load_tokenizer
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.pool import Titled, complete, load_pool, shorten
from engine.prompts.plan import PlanSize, plan_samples
from engine.prompts.planner import Planner
from engine.prompts.round_zero import Asking, Ground, write_demonstrations, write_values
from engine.task.render import Demonstration
from engine.task.turns import resolve_turns, shows_documents

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.runtime.place import Place


def plan_prompts(config: PromptsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> PromptsRecord:
    """Plans every sample, or those of the first round."""
    ground = lay_ground(config, inputs["documents"], output, place)
    planner = Planner(config, ground, inputs["documents"], output, place)
    size = PlanSize(config.per_passage, config.max_samples, config.seed, config.rounds)
    wanted = size.total(len(planner.passage_ids))
    return planner.write(plan_samples(planner.passage_ids, planner.drawer, planner.sets, planner.lengths, size), wanted)


def lay_ground(config: PromptsConfig, documents: Path, output: Path, place: Place) -> Ground:
    """What the plan stands on: values and demonstrations as configured, or written in round 0.

    Raises:
        UserError: there are no demonstrations where the config says, or the model wrote nothing fit.
    """
    asking, shown = Asking(config.samples, output, place), config.demonstrations
    task = write_values(config.task, asking)
    passages = DocumentsFolder(documents).passages()
    if shown.self_instruct:
        pool = write_demonstrations(task, shown, passages.select(["passage_id", "title", "text"]), asking)
    else:
        with_documents = any(map(shows_documents, resolve_turns(task).values()))
        pool = load_pool(shown, _texts(passages) if shown.from_qrels else {}, with_documents=with_documents)
        pool = complete(pool, task.attributes) if shown.from_qrels and shown.complete else pool
    return Ground(task, _short(pool, shown.max_document_tokens, load_tokenizer(config.model)))


def _texts(passages: pa.Table) -> dict[str, Titled]:
    """Document id -> its first passage, after its title as in prompts; documents without text are left out."""
    texts: dict[str, Titled] = {}
    for row in passages.select(["document_id", "title", "text"]).to_pylist():
        title, text = row["title"].strip(), row["text"].strip()
        whole = f"{title}. {text}".strip() if title and not text.startswith(title) else text
        if whole:
            texts.setdefault(row["document_id"], Titled(title, whole))
    return texts


def _short(pool: Sequence[Demonstration], limit: int, tokenizer: Tokenizer) -> list[Demonstration]:
    encodings = tokenizer.encode_batch([d.document for d in pool], add_special_tokens=False)
    return [shorten(d, [end for _, end in e.offsets], limit) for d, e in zip(pool, encodings, strict=True)]
