"""Round 0: what the model itself writes before anything is planned, and what later rounds then stand on, frozen.

In: a task with conditions whose values are to be written, or demonstrations that are to be written; the engines of the
run. Out: the ground of a plan: the task with its values filled in, and the pool of demonstrations. Both are stored with
the plan, so later rounds read them and never ask again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS, condition_names
from engine.errors import StoppedEarly, UserError
from engine.examples.filters.chain import judge
from engine.examples.filters.contract import FiltersConfig, PromptWords, Row
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.task.check import check_turns
from engine.task.config import ParserKind, TaskConfig, TurnConfig, WrittenConfig
from engine.task.render import Demonstration, Prompts
from engine.text.words import clean_query

if TYPE_CHECKING:
    from engine.generation.config import SamplesConfig
    from engine.runtime.place import Place


_TRIES = 4
"""Samples asked for each demonstration or value that is wanted: many are thrown away."""


_MAX_VALUE_CHARACTERS = 80


@dataclass(frozen=True)
class Ground:
    """What a plan stands on."""

    task: TaskConfig
    """With the values of every condition."""
    pool: list[Demonstration]
    drawn: TaskConfig | None = None
    """The task with other weights to draw by, in later rounds."""


@dataclass(frozen=True)
class Asking:
    """Where round 0 asks, and where it keeps the answers."""

    samples: SamplesConfig
    output: Path
    place: Place


def is_written(task: TaskConfig, demonstrations: DemonstrationsConfig) -> bool:
    """Whether a plan needs engines: a value or a demonstration is to be written."""
    return demonstrations.self_instruct > 0 or any(one.written is not None for one in task.attributes.values())


def write_values(task: TaskConfig, asking: Asking) -> TaskConfig:
    """The task with the values of `written` conditions in place of their prompts.

    Raises:
        UserError: the model wrote no value for a condition.
    """
    attributes = dict(task.attributes)
    for name, attribute in attributes.items():
        if attribute.written is not None:
            found = _values_of(name, attribute.written, task, asking)
            attributes[name] = replace(attribute, written=None, values=dict.fromkeys(found, 1.0))
    return replace(task, attributes=attributes)


def _values_of(name: str, written: WrittenConfig, task: TaskConfig, asking: Asking) -> list[str]:
    """Distinct items of the lists that the model wrote, those it wrote most often first, then in order of writing."""
    turn = TurnConfig(prompt=written.prompt, parser=ParserKind.list, temperature=written.temperature, stop=[])
    asked = TaskConfig(
        name=f"values of {name}", kind=task.kind, turns={"values": replace(turn, max_tokens=written.max_tokens)}
    )
    rows = _blank_rows(_TRIES * max(1, -(-written.count // 10)))
    counts: dict[str, int] = {}
    for row in _generate(f"values-{name}", asked, rows, asking):
        for item in _items(row):
            counts[item] = counts.get(item, 0) + 1
    found = sorted(counts, key=lambda item: -counts[item])[: written.count]
    if not found:
        raise UserError(
            "the model wrote no value",
            where=f"task.attributes.{name}.written",
            remedy="write another prompt, or list values",
        )
    return found


def _items(row: Mapping[str, object]) -> Iterator[str]:
    text = str(row["text"]) if row["status"] == "generated" else ""
    for line in text.splitlines():
        item = clean_query(line).strip(" .,;:").lower()
        if item and len(item) <= _MAX_VALUE_CHARACTERS and not set("|=") & set(item):
            yield item


def write_demonstrations(
    task: TaskConfig, config: DemonstrationsConfig, passages: pa.Table, asking: Asking
) -> list[Demonstration]:
    """Self-instruct (Wang et al. 2023) on the task's own passages: zero-shot samples that pass the row filters.

    Args:
        task: its conditions are drawn by their weights.
        config: how many.
        passages: passage_id, title, text.
        asking: engines.

    Raises:
        UserError: nothing that was written passes.
    """
    from engine.generation.jobs import make_units
    from engine.prompts.plan import PlanSize, Sets, plan_samples

    free = {name: replace(one, from_demonstrations=False) for name, one in task.attributes.items()}
    drawer = Drawer(make_conditions(free), task.exclude)
    size = PlanSize(_TRIES, _TRIES * config.self_instruct, config.seed)
    ids = passages["passage_id"].to_pylist()
    plan = pa.concat_tables(plan_samples(ids, drawer, Sets(1), lambda rows, *_: np.zeros_like(rows), size))
    units = [unit.rows for unit in make_units(plan, passages, len(plan))]
    asked = pa.concat_tables(units).select(["passage_id", "title", "text"])
    about = {row["passage_id"]: row for row in asked.to_pylist()}
    found: dict[str, Demonstration] = {}
    for row in _generate("demonstrations", replace(task, attributes=free), pa.concat_tables(units), asking):
        query, own = clean_query(str(row["text"])), about[str(row["passage_id"])]
        written = Row(
            query, own["text"], cut_off=row["finish_reason"] == "length", config=FiltersConfig(), prompt=PromptWords()
        )
        if row["status"] == "generated" and not judge(written).reason:
            conditions = {name: str(row[f"{CONDITION_PREFIX}{name}"]) for name in task.attributes}
            found.setdefault(query.lower(), Demonstration(own["text"], query, "", conditions, own["title"]))
    if not found:
        raise UserError(
            f"none of {len(plan)} samples is fit to be a demonstration",
            where=f"demonstrations.self_instruct={config.self_instruct}",
            remedy="write some by hand (demonstrations.path), or choose a larger model",
        )
    return list(found.values())[: config.self_instruct]


def _blank_rows(count: int) -> pa.Table:
    """Planned rows without passage, conditions or demonstrations."""
    numbers = {name: np.zeros(count) for name in ("replicate", "round", "demonstration_set", "prefix", "prompt_tokens")}
    texts = {name: [""] * count for name in ("cell", "demonstrations")}
    own = {"sample_id": np.arange(count), "passage_id": ["blank"] * count}
    table = pa.table({name: (own | numbers | texts)[name] for name in PROMPTS.names}).cast(PROMPTS)
    for name in ("title", "text"):
        table = table.append_column(name, pa.array([""] * count, pa.string()))
    return table


def _generate(name: str, task: TaskConfig, rows: pa.Table, asking: Asking) -> list[dict[str, object]]:
    """Samples of these rows in the order of their ids; the parts stay beside the plan."""
    from engine.artifacts.samples import SamplesFolder
    from engine.generation.jobs import Job, Unit
    from engine.storage.parts import open_attempt, seal_attempts

    check_turns(task, [], rows["cell"][0].as_py())
    folder = asking.output / "round-0" / name
    folder.mkdir(parents=True)
    job = Job(Prompts(task, []), 1, open_attempt(folder, 1), condition_names(rows))
    pool = asking.place.engines.start(asking.samples, asking.place)
    asking.place.console.step("prompts", f"round 0: {rows.num_rows:,} samples for {name}")
    pool.generate(job, [Unit(0, rows)], lambda _: None)
    if pool.out_of_time:
        raise StoppedEarly("time budget (samples.max_seconds) reached in round 0, which begins anew")
    seal_attempts(folder)
    samples: list[dict[str, object]] = SamplesFolder(folder).rows().to_pylist()
    return samples
