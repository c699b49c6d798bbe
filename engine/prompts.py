"""The prompts step: documents -> prompts, one row per planned sample; text is rendered where it is used.

In: passages, a task (templates and conditions), demonstrations. Out: `plan-*.parquet` (records.PROMPTS),
`demonstration_sets.parquet`, `task.json`. Refuses, before any engine has worked, templates that do not render
and prompts that leave the model no room.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import II

from engine.attributes import make_conditions
from engine.constraints import Drawer, check_constraints
from engine.demonstration_sets import ShownSets, choose_sets
from engine.demonstrations import (
    DemonstrationsConfig,
    Selection,
    Titled,
    complete,
    load_pool,
    shorten,
    slips,
    strata,
    stratify,
)
from engine.ensemble import check_models
from engine.errors import UserError
from engine.ground import Asking, Ground, is_written, write_demonstrations, write_values
from engine.identity import fields_of, place
from engine.lengths import PromptLengths, count_passages, prefix_conditions
from engine.models import model_digest, resolve_model
from engine.plan import PlanSize, Sets, plan_samples
from engine.prefix_fit import fit_sets
from engine.records import CONDITION_PREFIX
from engine.samples import SamplesConfig
from engine.task import (
    Demonstration,
    Prompts,
    Renderer,
    TaskConfig,
    check_turns,
    format_cell,
    resolve_turns,
    shows_demonstrations,
    shows_documents,
    task_from_json,
    task_to_json,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.place import Place

_SHOWN_VALUES = 20
"""Values of a condition that the record lists, the most frequent ones."""
_COUNTED_VALUES = 100_000
"""Beyond so many values of one condition the rarer half is counted but no longer named."""


@dataclass(frozen=True)
class PromptsConfig:
    """How many samples are planned, for which task."""

    per_passage: int = 1
    """Samples planned for each passage."""
    max_samples: int = 0
    """At most this many in all; 0 for no limit."""
    rounds: int = II("samples.rounds")
    """Rounds that they are planned in (engine/rounds.py)."""
    extra_per_passage: int = 2
    """Samples beyond its even share that a passage may get in later rounds."""
    task: TaskConfig = II("task")
    demonstrations: DemonstrationsConfig = II("demonstrations")
    model: str = II("samples.model")
    """Whose tokenizer counts."""
    context_tokens: int = II("samples.context_tokens")
    max_tokens: int = place(II("samples.max_tokens"))
    samples: SamplesConfig = II("samples")
    """Who writes round 0, where a task has one."""
    seed: int = II("seed")

    def __post_init__(self) -> None:
        for name, least in (("per_passage", 1), ("max_samples", 0), ("extra_per_passage", 0)):
            value = getattr(self, name)
            if value < least:
                raise UserError(f"{value} is too small", place=f"prompts.{name}", remedy=f"set it to {least} or more")
        if isinstance(self.task, TaskConfig):  # not the interpolation that stands here before a run is composed
            check_constraints(self.task.exclude, self.task.quotas, make_conditions(self.task.attributes))

    def identity(self) -> dict[str, object]:
        """The tokenizer's content in place of the model's name."""
        if isinstance(self.samples, SamplesConfig):  # not the interpolation that stands here before a run is composed
            check_models(self.task, self.samples)
        unused = [] if is_written(self.task, self.demonstrations) else ["samples"]
        return fields_of(self, without=unused) | {"model": model_digest(self.model, key="samples.model")}


def plan_prompts(config: PromptsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """Plans every sample, or those of the first round.

    Record: planned, prefixes, demonstrations, prompt_tokens; num_values and distribution of each condition (of the
    most frequent values); ended_early, which says why where quotas let fewer be planned than asked for.
    """
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
    passages = pq.read_table(documents / "passages.parquet")
    if shown.self_instruct:
        pool = write_demonstrations(task, shown, passages.select(["passage_id", "title", "text"]), asking)
    else:
        with_documents = any(map(shows_documents, resolve_turns(task).values()))
        pool = load_pool(shown, _texts(passages) if shown.from_qrels else {}, with_documents=with_documents)
        pool = complete(pool, task.attributes) if shown.from_qrels and shown.complete else pool
    return Ground(task, _short(pool, shown.max_document_tokens, load_tokenizer(config.model)))


def read_ground(prompts: Path) -> Ground:
    """The ground of an earlier round's plan."""
    pool = next(iter(read_sets(prompts / "demonstration_pool.parquet")), [])
    return Ground(task_from_json((prompts / "task.json").read_text(encoding="utf-8")), pool)


class Planner:
    """All that a plan is drawn from: passages, conditions, demonstration sets, lengths.

    Args:
        config: of the prompts step.
        ground: the task and the pool of demonstrations.
        documents: the folder of the documents step.
        output: the folder that the plan is written into.
        place: where embeddings are cached.

    Raises:
        UserError: a template cannot be rendered, a condition cannot be drawn, or no prompt fits.
    """

    def __init__(self, config: PromptsConfig, ground: Ground, documents: Path, output: Path, place: Place) -> None:
        passages = pq.read_table(documents / "passages.parquet")
        tokenizer = load_tokenizer(config.model)
        self._task, self._output, self._console = ground.task, output, place.console
        task = ground.drawn or ground.task
        self._pool = ground.pool if any(map(shows_demonstrations, resolve_turns(task).values())) else []
        self.passage_ids: list[str] = passages["passage_id"].to_pylist()
        name, values = strata(self._pool, task.attributes)
        conditions = make_conditions(task.attributes, name, values)
        shown = ShownSets([])
        if self._pool:
            self._warn_of_slips(task, config.demonstrations, conditions.possible())
            shown = choose_sets(config.demonstrations, self._pool, stratify(self._pool, name, values), documents, place)
        cell = format_cell(conditions.probe())
        check_turns(task, shown.of(self._pool), cell)
        self._renderer = _fitted(Renderer(task, shown.of(self._pool)), config, cell, tokenizer)
        mentioned = prefix_conditions(self._renderer, conditions.names)
        self.sets = Sets(config.demonstrations.num_sets if self._pool else 1, values, mentioned, shown)
        self.lengths = PromptLengths(self._renderer, conditions, tokenizer, count_passages(passages, tokenizer))
        _check_room(config, self.lengths)
        self.drawer = Drawer(conditions, task.exclude, task.quotas)

    def _warn_of_slips(
        self, task: TaskConfig, config: DemonstrationsConfig, possible: Mapping[str, Sequence[str]]
    ) -> None:
        chosen_by = {name for name, attribute in task.attributes.items() if attribute.from_demonstrations}
        if not (chosen_by or config.path or config.from_qrels or config.self_instruct):
            self._console.warn(
                "the demonstrations are bundled:general, search queries on everyday subjects; "
                "name your own with demonstrations.path=FILE.jsonl"
            )
        templates = [turn.config.demonstration or "" for turn in resolve_turns(task).values()]
        others = {name: values for name, values in possible.items() if name not in chosen_by}
        for slip in slips(self._pool, templates, others):
            self._console.warn(slip)

    def write(self, chunks: Iterable[pa.Table], wanted: int) -> dict[str, object]:
        """Writes a plan and what its rows refer to; returns its record."""
        record = _write_plan(chunks, wanted, self._output)
        if record["ended_early"]:
            self._console.warn(f"the plan is shorter than asked for: {record['ended_early']}; see task.quotas")
        write_sets(self._renderer.sets, self._output / "demonstration_sets.parquet")
        write_sets([self._pool], self._output / "demonstration_pool.parquet")
        (self._output / "task.json").write_text(task_to_json(self._task), encoding="utf-8")
        return {**record, "demonstrations": len(self._pool), "demonstration_sets": len(self._renderer.sets)}


def _fitted(renderer: Renderer, config: PromptsConfig, cell: str, tokenizer: Tokenizer) -> Renderer:
    """The renderer with its sets cut to blocks, where many prompts share one and it is known how it is rendered."""
    shared = config.demonstrations.select is not Selection.nearest
    if renderer.is_chat or not shared or not renderer.has_demonstrations():
        return renderer

    def prefixes(sets: Sequence[Sequence[Demonstration]]) -> list[str]:
        own = renderer.with_sets(sets)
        return [own.prefix(index, cell) for index in range(len(sets))]

    return renderer.with_sets(fit_sets(renderer.sets, prefixes, tokenizer, config.demonstrations.cache_block))


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
    sets = read_sets(folder / "demonstration_sets.parquet")
    return Prompts(task_from_json((folder / "task.json").read_text(encoding="utf-8")), sets)


def read_sets(file: Path) -> list[list[Demonstration]]:
    """The inverse of `write_sets`."""
    sets: list[list[Demonstration]] = []
    for row in pq.read_table(file).to_pylist():
        while len(sets) <= row["demonstration_set"]:
            sets.append([])
        own = {"query_id": row["query_id"], "conditions": json.loads(row["conditions"])}
        own["title"] = row.get("title", "")  # runs from before there were titles can still be traced
        sets[row["demonstration_set"]].append(Demonstration(row["document"], row["query"], **own))
    return sets


def write_sets(sets: Sequence[Sequence[Demonstration]], file: Path) -> None:
    """One row per (set, position)."""
    columns: dict[str, list[object]] = {
        name: [] for name in ("demonstration_set", "position", "title", "document", "query", "query_id", "conditions")
    }
    for index, chosen in enumerate(sets):
        for position, d in enumerate(chosen):
            values = (index, position, d.title, d.document, d.query, d.query_id, json.dumps(dict(d.conditions)))
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
    types = [pa.int32(), pa.int32(), *[pa.string()] * (len(columns) - 2)]
    pq.write_table(pa.table(columns, schema=pa.schema(list(zip(columns, types, strict=True)))), file)


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


def _check_room(config: PromptsConfig, lengths: PromptLengths) -> None:
    longest, shortest_suffix = int(lengths.set_tokens.max()), int(lengths.suffix_tokens.min())
    needed = longest + shortest_suffix + config.max_tokens
    if needed > config.context_tokens:
        raise UserError(
            f"no prompt fits into {config.context_tokens} tokens: its start with demonstrations has {longest}, the "
            f"shortest passage with the words around it {shortest_suffix}, the answer up to {config.max_tokens}",
            place="samples.context_tokens",
            remedy=f"set it to {needed} or more, or lower demonstrations.per_prompt, "
            "demonstrations.max_document_tokens or samples.max_tokens",
        )


def _write_plan(chunks: Iterable[pa.Table], wanted: int, output: Path) -> dict[str, object]:
    planned = tokens = 0
    prefixes: set[int] = set()
    counts: dict[str, _Counts] = {}
    for number, chunk in enumerate(chunks):
        pq.write_table(chunk, output / f"plan-{number:05d}.parquet", compression="zstd")
        planned += chunk.num_rows
        tokens += int(np.sum(chunk["prompt_tokens"].to_numpy(), dtype=np.int64))
        prefixes |= set(chunk["prefix"].unique().to_pylist())
        for name in chunk.column_names:
            if name.startswith(CONDITION_PREFIX):
                counts.setdefault(name.removeprefix(CONDITION_PREFIX), _Counts()).add(chunk[name])
    if not planned:  # the documents step lets no empty corpus through
        raise UserError("the quotas let nothing be planned", place="task.quotas", remedy="set a larger `max`")
    return {
        "planned": planned,
        "prefixes": len(prefixes),
        "prompt_tokens": tokens,
        "num_values": {name: own.distinct() for name, own in counts.items()},
        "distribution": {name: own.shares() for name, own in counts.items()},
        "ended_early": f"no cell was free after {planned:,} of {wanted:,} samples" if planned < wanted else "",
    }


class _Counts:
    """How often each value of a condition was planned, in bounded memory."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self._total = self._unnamed = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts a chunk's values."""
        self._total += len(column)
        for entry in column.value_counts().to_pylist():
            self._of[entry["values"]] = self._of.get(entry["values"], 0) + entry["counts"]
        if len(self._of) > _COUNTED_VALUES:
            kept = self._most_frequent(_COUNTED_VALUES // 2)
            self._unnamed += len(self._of) - len(kept)
            self._of = kept

    def distinct(self) -> int:
        """The number of values; one that came back after it was dropped counts again."""
        return len(self._of) + self._unnamed

    def shares(self) -> dict[str, float]:
        """Value -> share, by value, or of the most frequent ones by frequency where there are many."""
        few = self.distinct() <= _SHOWN_VALUES
        shown = dict(sorted(self._of.items())) if few else self._most_frequent(_SHOWN_VALUES)
        return {value: round(count / self._total, 4) for value, count in shown.items()}

    def _most_frequent(self, number: int) -> dict[str, int]:
        return dict(sorted(self._of.items(), key=lambda pair: (-pair[1], pair[0]))[:number])
