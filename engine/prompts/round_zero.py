"""Round 0, where the generator writes values of conditions or demonstrations before the first sample is planned.

In: a task with conditions whose values are to be written, or demonstrations that are to be written. Out: two small
plans that the samples step answers like any other, and the readers of what came of them. Values are the items that the
model listed most often. Demonstrations are zero-shot samples of the task's own passages that pass the row filters of
curation (Self-Instruct, Wang et al. 2023). Both are steps of their own, so they are resumed, traced, and found again
when the plan that rests on them grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.config import SelfInstructConfig, ValuesConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.plan import PlanSize, Sets, plan_samples
from engine.prompts.writer import write_plan
from engine.task.check import check_turns
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig, TurnConfig, WrittenConfig
from engine.task.render import Demonstration
from engine.text.queries import clean_query

VALUES, DEMONSTRATIONS = "values", "demonstrations"
"""The names of what round 0 made among the inputs of planning."""

_TRIES = 4
"""The samples planned for each demonstration or value that is wanted, since many are thrown away."""
_VALUES_IN_A_LIST = 10
"""The number of values that a list of the model is expected to have."""
_MAX_VALUE_CHARACTERS = 80


def values_config(task: TaskConfig) -> ValuesConfig | None:
    """Returns the plan for values that a task has the generator write; None where all conditions have their values."""
    written = {name: attribute.written for name, attribute in task.attributes.items() if attribute.written is not None}
    return ValuesConfig(task.kind, written) if written else None


def plan_values(config: ValuesConfig, documents: DocumentsFolder, folder: PromptsFolder) -> PromptsRecord:
    """Plans samples each of which lists values for every condition, one turn for each.

    Args:
        config: what is asked.
        documents: one blank passage.
        folder: where the plan is written.
    """
    turns = {_turn_name(number): _turn_of(written) for number, written in enumerate(config.written.values())}
    task = TaskConfig(name="values of conditions", kind=config.kind, turns=turns)
    check_turns(compile_task(task), {})
    most = max(written.count for written in config.written.values())
    [passage_id] = documents.passages(["passage_id"])["passage_id"].to_pylist()
    rows = _rows_without_conditions(_TRIES * -(-most // _VALUES_IN_A_LIST), passage_id)
    folder.write_basis(task, [], [])
    return write_plan(iter([rows]), len(rows), folder)


def _turn_name(number: int) -> str:
    return f"written_{number}"


def _turn_of(written: WrittenConfig) -> TurnConfig:
    return TurnConfig(prompt=written.prompt, temperature=written.temperature, max_tokens=written.max_tokens, stop=[])


def _rows_without_conditions(count: int, passage_id: str) -> pa.Table:
    zeros = np.zeros(count, np.int64)
    columns: dict[str, object] = dict.fromkeys(("round", "demonstration_set", "prefix", "prompt_tokens"), zeros)
    columns |= {name: [""] * count for name in ("cell", "demonstrations")}
    columns |= {"sample_id": np.arange(count), "replicate": np.arange(count), "passage_id": [passage_id] * count}
    return pa.table({name: columns[name] for name in PROMPTS.names}).cast(PROMPTS)


def with_values(task: TaskConfig, samples: Path) -> TaskConfig:
    """Returns the task with the values that the generator wrote in place of the prompts that asked for them.

    Args:
        task: as configured.
        samples: the samples folder of `plan_values`.

    Raises:
        UserError: the model wrote no value for a condition.
    """
    config = values_config(task)
    assert config is not None, "values are only read where they were asked for"
    table = SamplesFolder(samples).rows()
    attributes = dict(task.attributes)
    for number, (name, written) in enumerate(config.written.items()):
        column = "text" if number == len(config.written) - 1 else f"turn_{_turn_name(number)}"
        values = _most_frequent(table[column].to_pylist(), written.count)
        if not values:
            raise UserError(
                "the model wrote no value",
                where=f"task.attributes.{name}.written",
                remedy="write another prompt, or list values",
            )
        attributes[name] = replace(attributes[name], written=None, values=dict.fromkeys(values, 1.0))
    return replace(task, attributes=attributes)


def _most_frequent(lists: list[str | None], count: int) -> list[str]:
    """Returns distinct items of what was written, the most frequent first, then in order of writing."""
    counts = Counter(item for text in lists for item in _items(text or ""))
    return [item for item, _ in counts.most_common(count)]


def _items(text: str) -> Iterator[str]:
    for line in text.splitlines():
        item = clean_query(line).strip(" .,;:").lower()
        if item and len(item) <= _MAX_VALUE_CHARACTERS and not set("|=") & set(item):
            yield item


def demonstrations_config(task: TaskConfig, demonstrations: DemonstrationsConfig) -> SelfInstructConfig | None:
    """Returns the plan for demonstrations that the generator writes; None where they come from elsewhere."""
    if not demonstrations.self_instruct:
        return None
    return SelfInstructConfig(zero_shot(task), demonstrations.self_instruct, demonstrations.seed)


def zero_shot(task: TaskConfig) -> TaskConfig:
    """Returns the task as it is put before there are demonstrations, so that equal prompts make equal tasks.

    It has no templates of demonstrations, its conditions are not drawn from any, and its quotas, which count the
    samples of the real plan, are left out.
    """
    attributes = {name: replace(attribute, from_demonstrations=False) for name, attribute in task.attributes.items()}
    turns = {name: replace(turn, demonstration=None) for name, turn in task.turns.items()}
    return replace(task, attributes=attributes, turns=turns, demonstration="", quotas=[])


def plan_demonstrations(config: SelfInstructConfig, documents: DocumentsFolder, folder: PromptsFolder) -> PromptsRecord:
    """Plans zero-shot samples of the task, from which demonstrations are chosen.

    Args:
        config: the zero-shot task, with the values of its conditions, and how many demonstrations are wanted.
        documents: what they are about.
        folder: where the plan is written.
    """
    conditions = make_conditions(config.task.attributes)
    check_turns(compile_task(config.task), conditions.probe())
    size = PlanSize(_TRIES, _TRIES * config.count, config.seed)
    ids = documents.passages(["passage_id"])["passage_id"].to_pylist()
    drawer = Drawer(conditions, config.task.exclude)
    chunks = plan_samples(ids, drawer, Sets(1), lambda rows, *_: np.zeros_like(rows), size)
    folder.write_basis(config.task, [], [])
    return write_plan(chunks, size.total(len(ids)), folder)


def read_demonstrations(
    examples: Path, documents: Path, conditions: Sequence[str], *, count: int
) -> list[Demonstration]:
    """Reads the first of the samples that curation kept, as demonstrations.

    Args:
        examples: the examples folder that came of `plan_demonstrations`.
        documents: the documents folder.
        conditions: the names of the task's conditions.
        count: the number of demonstrations that are wanted; there are fewer where fewer were kept.
    """
    rows = ExamplesFolder(examples).kept().sort_by("sample_id").slice(0, count).to_pylist()
    passages = DocumentsFolder(documents).some({row["passage_id"] for row in rows})
    return [_demonstration(row, passages[row["passage_id"]], conditions) for row in rows]


def _demonstration(example: Mapping[str, str], passage: Mapping[str, str], conditions: Sequence[str]) -> Demonstration:
    return Demonstration(
        document=passage["text"],
        query=example["query"],
        conditions={name: example[f"{CONDITION_PREFIX}{name}"] for name in conditions},
        title=passage["title"],
    )
