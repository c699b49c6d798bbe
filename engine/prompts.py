"""The prompts step: documents -> prompts, one row per planned sample; text is rendered where it is used.

In: passages, a task (templates and conditions), demonstrations. Out: `plan-*.parquet` (records.PROMPTS),
`demonstration_sets.parquet`, `task.json`. Refuses, before any engine has worked, templates that do not render
and prompts that leave the model no room.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import II

from engine.demonstrations import DemonstrationsConfig, draw_sets, load_pool, shorten, strata
from engine.errors import UserError
from engine.identity import fields_of, place
from engine.models import model_digest, resolve_model
from engine.plan import Grid, PlanSize, Sets, make_grid, plan_samples
from engine.task import Demonstration, Renderer, TaskConfig, check_turns, resolve_turns, task_from_json, task_to_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.place import Place

PASSAGE_PROBE = {"title": "", "text": ""}


@dataclass(frozen=True)
class PromptsConfig:
    """How many samples are planned, for which task."""

    per_passage: int = 1
    """Samples planned for each passage."""
    max_samples: int = 0
    """At most this many in all; 0 for no limit."""
    task: TaskConfig = II("task")
    demonstrations: DemonstrationsConfig = II("demonstrations")
    model: str = II("samples.model")
    """Whose tokenizer counts."""
    context_tokens: int = II("samples.context_tokens")
    max_tokens: int = place(II("samples.max_tokens"))
    seed: int = II("seed")

    def __post_init__(self) -> None:
        for name, least in (("per_passage", 1), ("max_samples", 0)):
            value = getattr(self, name)
            if value < least:
                raise UserError(f"{value} is too small", place=f"prompts.{name}", remedy=f"set it to {least} or more")

    def identity(self) -> dict[str, object]:
        """The tokenizer's content in place of the model's name."""
        return fields_of(self) | {"model": model_digest(self.model, key="samples.model")}


@dataclass(frozen=True)
class Prompts:
    """What a prompts folder holds, ready to render."""

    task: TaskConfig
    sets: list[list[Demonstration]] = field(repr=False)

    def renderer(self) -> Renderer:
        """Renders the first turn of any planned row."""
        return Renderer(self.task, self.sets)

    def renderers(self) -> dict[str, Renderer]:
        """Renders each turn of any planned row, in the order of the task."""
        return {name: Renderer(self.task, self.sets, name) for name in resolve_turns(self.task)}


def plan_prompts(config: PromptsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:  # noqa: ARG001  # all steps take a place
    """Plans every sample. Record: planned, prefixes, demonstrations, prompt_tokens, distribution."""
    passages = pq.read_table(inputs["documents"] / "passages.parquet")
    tokenizer = load_tokenizer(config.model)
    pool = _short_pool(config, passages, tokenizer)
    name, values = strata(pool, config.task.attributes)
    grid = make_grid(config.task.attributes, name, values)
    renderer = Renderer(config.task, draw_sets(config.demonstrations, pool, name, values))
    check_turns(config.task, renderer.sets, grid.cells[0])
    sets = _count_prefixes(renderer, grid, config.demonstrations.num_sets, tokenizer)
    suffix_tokens = _count_suffixes(passages, renderer, grid, tokenizer)
    _check_room(config, sets, int(suffix_tokens.min()))

    size = PlanSize(config.per_passage, config.max_samples, config.seed)
    chunks = plan_samples(passages["passage_id"].to_pylist(), suffix_tokens, grid, sets, size)
    record = _write_plan(chunks, output)
    write_sets(renderer.sets, output / "demonstration_sets.parquet")
    write_sets([pool], output / "demonstration_pool.parquet")
    (output / "task.json").write_text(task_to_json(config.task), encoding="utf-8")
    return {**record, "demonstrations": len(pool), "demonstration_sets": len(renderer.sets)}


def load_tokenizer(model: str) -> Tokenizer:
    """The fast tokenizer of a generator model; no torch is imported."""
    from tokenizers import Tokenizer

    file = resolve_model(model, key="samples.model") / "tokenizer.json"
    if not file.exists():
        raise UserError(
            f"the model folder has no {file.name}",
            place=f"samples.model={model}",
            remedy="use a model with a fast tokenizer, or save it with tokenizer.save_pretrained",
        )
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()  # some files carry both, and the counts would be of what is left
    tokenizer.no_padding()
    return tokenizer


def load_prompts(folder: Path) -> Prompts:
    """Task and demonstration sets of a finished prompts folder."""
    rows = pq.read_table(folder / "demonstration_sets.parquet").to_pylist()
    sets: list[list[Demonstration]] = []
    for row in rows:
        while len(sets) <= row["demonstration_set"]:
            sets.append([])
        conditions = json.loads(row["conditions"])
        sets[row["demonstration_set"]].append(
            Demonstration(row["document"], row["query"], query_id=row["query_id"], conditions=conditions)
        )
    return Prompts(task_from_json((folder / "task.json").read_text(encoding="utf-8")), sets)


def write_sets(sets: Sequence[Sequence[Demonstration]], file: Path) -> None:
    """One row per (set, position)."""
    columns: dict[str, list[object]] = {
        name: [] for name in ("demonstration_set", "position", "document", "query", "query_id", "conditions")
    }
    for index, chosen in enumerate(sets):
        for position, d in enumerate(chosen):
            values = (index, position, d.document, d.query, d.query_id, json.dumps(dict(d.conditions)))
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
    types = [pa.int32(), pa.int32(), pa.string(), pa.string(), pa.string(), pa.string()]
    pq.write_table(pa.table(columns, schema=pa.schema(list(zip(columns, types, strict=True)))), file)


def _short_pool(config: PromptsConfig, passages: pa.Table, tokenizer: Tokenizer) -> list[Demonstration]:
    documents: dict[str, str] = {}
    if config.demonstrations.from_qrels:
        for document, text in zip(passages["document_id"].to_pylist(), passages["text"].to_pylist(), strict=True):
            documents.setdefault(document, text)
    pool = load_pool(config.demonstrations, documents)
    encodings = tokenizer.encode_batch([d.document for d in pool], add_special_tokens=False)
    limit = config.demonstrations.max_document_tokens
    return [shorten(d, [end for _, end in e.offsets], limit) for d, e in zip(pool, encodings, strict=True)]


def _count_prefixes(renderer: Renderer, grid: Grid, per_stratum: int, tokenizer: Tokenizer) -> Sets:
    texts = [[renderer.prefix(index, cell) for cell in grid.cells] for index in range(len(renderer.sets))]
    if all(len(set(row)) == 1 for row in texts):
        texts = [row[:1] for row in texts]
    counts = [[len(e) for e in tokenizer.encode_batch(row, add_special_tokens=False)] for row in texts]
    return Sets(per_stratum, np.array(counts, np.int64))


def _count_suffixes(
    passages: pa.Table, renderer: Renderer, grid: Grid, tokenizer: Tokenizer, batch: int = 1024
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Tokens of each passage plus those of the longest empty suffix: a sum of counts, not a render per prompt."""
    frame = max(
        len(tokenizer.encode(renderer.suffix(PASSAGE_PROBE, cell), add_special_tokens=False)) for cell in grid.cells
    )
    counts = []
    for start in range(0, passages.num_rows, batch):
        rows = passages.slice(start, batch)
        texts = [f"{t} {x}" for t, x in zip(rows["title"].to_pylist(), rows["text"].to_pylist(), strict=True)]
        counts += [len(encoding) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    return np.array(counts, np.int64) + frame


def _check_room(config: PromptsConfig, sets: Sets, shortest_suffix: int) -> None:
    longest = int(sets.prefix_tokens.max())
    needed = longest + shortest_suffix + config.max_tokens
    if needed > config.context_tokens:
        raise UserError(
            f"no prompt fits into {config.context_tokens} tokens: its start with demonstrations has {longest}, the "
            f"shortest passage with the words around it {shortest_suffix}, the answer up to {config.max_tokens}",
            place="samples.context_tokens",
            remedy=f"set it to {needed} or more, or lower demonstrations.per_prompt, "
            "demonstrations.max_document_tokens or samples.max_tokens",
        )


def _write_plan(chunks: Iterable[pa.Table], output: Path) -> dict[str, object]:
    planned = tokens = 0
    prefixes: set[int] = set()
    counts: dict[str, dict[str, int]] = {}
    for number, chunk in enumerate(chunks):
        pq.write_table(chunk, output / f"plan-{number:05d}.parquet", compression="zstd")
        planned += chunk.num_rows
        tokens += int(np.sum(chunk["prompt_tokens"].to_numpy(), dtype=np.int64))
        prefixes |= set(chunk["prefix"].unique().to_pylist())
        _count_conditions(chunk, counts)
    assert planned, "the documents step lets no empty corpus through"
    shares = {name: {v: round(n / planned, 4) for v, n in sorted(c.items())} for name, c in counts.items()}
    return {"planned": planned, "prefixes": len(prefixes), "prompt_tokens": tokens, "distribution": shares}


def _count_conditions(chunk: pa.Table, counts: dict[str, dict[str, int]]) -> None:
    for name in chunk.column_names:
        if name.startswith("condition_"):
            own = counts.setdefault(name.removeprefix("condition_"), {})
            for entry in chunk[name].value_counts().to_pylist():
                own[entry["values"]] = own.get(entry["values"], 0) + entry["counts"]
