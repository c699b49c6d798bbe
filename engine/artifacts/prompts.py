"""What a finished prompts folder holds, and how it is written and read.

    plan-00000.parquet ...         a row per planned sample (`columns.PROMPTS`), by `sample_id`
    demonstration_pool.parquet     the demonstrations that sets are drawn from
    demonstration_sets.parquet     the sets that prompts show
    task.json                      the task, with the values that a model wrote for it filled in

In: the folder. Out: the plan, whole or by file, and all that its prompts are rendered from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS, condition_names
from engine.artifacts.rows import columns_of, sampling_of_row
from engine.storage.store import read_record
from engine.storage.tables import with_large_texts
from engine.storage.typed import from_json_values, to_json_values
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig
from engine.task.render import Answers, Ask, Demonstration, Messages, input_hash

_POOL, _SETS, _TASK = "demonstration_pool.parquet", "demonstration_sets.parquet", "task.json"
_PLAN_COLUMNS = PROMPTS.names


@dataclass(frozen=True)
class PromptsRecord:
    """What planning did."""

    planned: int
    """Samples of the whole plan, earlier rounds included."""
    prefixes: int
    """Different starts of prompts; each is computed once."""
    prompt_tokens: int
    """Forecast of the tokens of all prompts, of several turns those of the first."""
    num_values: Mapping[str, int]
    """Number of different values that were planned, by condition."""
    distribution: Mapping[str, Mapping[str, float]]
    """Share of the most frequent values, by condition."""
    ended_early: str
    """Why quotas let fewer samples be planned than asked for; empty when they did not."""
    demonstrations: int
    """Size of the pool."""
    demonstration_sets: int
    """Number of sets that prompts show."""
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """From the second round on: the weight that each value was drawn with, by condition."""
    later_prompt_tokens: int = 0
    """Forecast of the tokens of later turns' prompts, without the answers that they show."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One planned sample with its passage, or its row of a rows folder: all that its prompts are made from."""

    sample_id: int
    passage_id: str
    """The id of the passage, or of the row."""
    title: str
    text: str
    cell: str
    """The conditions as one string; a key, which nobody takes apart."""
    conditions: Mapping[str, str]
    """Value by name."""
    replicate: int
    round: int
    demonstration_set: int
    demonstrations: str
    prefix: int
    prompt_tokens: int
    row: Mapping[str, Any] | None = None
    """The columns of the row, by name; None where the sample is about a passage."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """How the answers are drawn, by what the row sets; of the settings of `engine.task.sampling.Sampling`."""

    @property
    def passage(self) -> dict[str, str]:
        """`title` and `text` of the passage, as templates see it; empty for a row."""
        return {"title": self.title, "text": self.text} if self.row is None else {}

    def ask(self, answers: Answers | None = None) -> Ask:
        """What the prompt of a turn of this sample is made from.

        Args:
            answers: what earlier turns gave, by turn.
        """
        return Ask(self.passage, self.demonstration_set, self.conditions, answers or {}, self.row or {})

    def input_hash(self, prompt: str | Messages) -> str:
        """Hashes all that the prompts of this sample are made from (`engine.task.render.input_hash`).

        Args:
            prompt: the rendered prompt of the first turn.
        """
        return input_hash(prompt, self.passage, self.cell, self.row, self.sampling)


def planned_rows(table: pa.Table) -> list[PlannedRow]:
    """Rows of a plan as records.

    Args:
        table: columns of `columns.PROMPTS`, the conditions, and what `Subjects.join` appends: the passage's `title` and
            `text`, or the columns of its row.
    """
    names = condition_names(table)
    if "title" in table.column_names:
        return [_planned_row(row, row, names) for row in table.to_pylist()]
    nothing = {"title": "", "text": ""}
    return [
        replace(_planned_row(row, nothing, names), row=columns_of(row), sampling=sampling_of_row(row))
        for row in table.to_pylist()
    ]


def planned_row(row: Mapping[str, Any], passage: Mapping[str, Any]) -> PlannedRow:
    """One row as a record.

    Args:
        row: a row of a plan, by column.
        passage: the `title` and the `text` of its passage.
    """
    names = [name.removeprefix(CONDITION_PREFIX) for name in row if name.startswith(CONDITION_PREFIX)]
    return _planned_row(row, passage, names)


def _planned_row(row: Mapping[str, Any], passage: Mapping[str, Any], names: Sequence[str]) -> PlannedRow:
    return PlannedRow(
        **{name: row[name] for name in _PLAN_COLUMNS},
        title=passage["title"],
        text=passage["text"],
        conditions={name: row[f"{CONDITION_PREFIX}{name}"] for name in names},
    )


@dataclass(frozen=True)
class PlanFile:
    """One file of a plan: its smallest and largest id, and its number of rows."""

    path: Path
    first: int
    last: int
    rows: int


@dataclass(frozen=True)
class PromptsFolder:
    """A finished prompts folder."""

    path: Path

    def record(self) -> PromptsRecord:
        """What the step recorded."""
        return from_json_values(PromptsRecord, read_record(self.path).record)

    def plan(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All planned rows, by `sample_id`, their texts as large strings.

        Args:
            columns: names of `columns.PROMPTS` and of conditions; all of them by default.
        """
        return pa.concat_tables([with_large_texts(table) for table in self.stream(columns)])

    def stream(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The same file by file, at most 65,536 rows at a time."""
        names = None if columns is None else list(columns)
        return (pq.read_table(file, columns=names) for file in self._files())

    def first_rows(self, count: int) -> pa.Table:
        """Reads the first rows of the plan, as many as there are up to `count`, and no file behind them."""
        tables, missing = [], count
        for table in self.stream():
            tables.append(table.slice(0, missing))
            missing -= tables[-1].num_rows
            if not missing:
                break
        return pa.concat_tables(tables)

    def plan_files(self) -> list[PlanFile]:
        """The files of the plan that hold rows, from their footers alone; a judge may have nothing to be asked."""
        footers = ((file, pq.read_metadata(file)) for file in self._files())
        return [_plan_file(file, footer) for file, footer in footers if footer.num_rows]

    def row(self, sample_id: int) -> dict[str, Any] | None:
        """One planned row as a mapping, from the one file that holds it; None where it is not planned."""
        for file in self.plan_files():
            if file.first <= sample_id <= file.last:
                rows: list[dict[str, Any]] = pq.read_table(
                    file.path, filters=[("sample_id", "=", sample_id)]
                ).to_pylist()
                if rows:
                    return rows[0]
        return None

    def conditions(self) -> list[str]:
        """Names of the conditions that planned rows carry."""
        return condition_names(pq.read_schema(self._files()[0]))

    def task(self) -> TaskConfig:
        """The task as it was planned."""
        return from_json_values(TaskConfig, json.loads((self.path / _TASK).read_text(encoding="utf-8")))

    def pool(self) -> list[Demonstration]:
        """The demonstrations that sets are drawn from."""
        return next(iter(read_sets(self.path / _POOL)), [])

    def sets(self) -> list[list[Demonstration]]:
        """The demonstration sets, by the number that planned rows carry."""
        return read_sets(self.path / _SETS)

    def shown_queries(self) -> list[str]:
        """Queries of the demonstrations that prompts show, as often as they stand in a set."""
        queries: list[str] = pq.read_table(self.path / _SETS, columns=["query"])["query"].to_pylist()
        return queries

    def prompts(self) -> Prompts:
        """Task and demonstration sets, ready to render."""
        return Prompts(self.task(), self.sets())

    def write_chunk(self, number: int, rows: pa.Table) -> None:
        """Writes one file of the plan."""
        pq.write_table(rows, self.path / f"plan-{number:05d}.parquet", compression="zstd")

    def write_basis(
        self, task: TaskConfig, pool: Sequence[Demonstration], sets: Sequence[Sequence[Demonstration]]
    ) -> None:
        """Writes what planned rows refer to."""
        write_sets(sets, self.path / _SETS)
        write_sets([pool], self.path / _POOL)
        text = json.dumps(to_json_values(task), indent=2, ensure_ascii=False)
        (self.path / _TASK).write_text(text, encoding="utf-8")

    @property
    def pool_file(self) -> Path:
        """The file of the pool, for whoever needs a digest of it."""
        return self.path / _POOL

    @property
    def sets_file(self) -> Path:
        """The same of the demonstration sets."""
        return self.path / _SETS

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("plan-*.parquet"))


def _plan_file(path: Path, metadata: pq.FileMetaData) -> PlanFile:
    columns = [metadata.row_group(index).column(0) for index in range(metadata.num_row_groups)]
    assert all(column.path_in_schema == "sample_id" and column.statistics for column in columns), f"{path} is no plan"
    ranges = [(column.statistics.min, column.statistics.max) for column in columns]
    return PlanFile(path, min(low for low, _ in ranges), max(high for _, high in ranges), metadata.num_rows)


def size_of(files: Sequence[PlanFile]) -> int:
    """One more than the largest id: the size of a bitmap of the plan."""
    return max((file.last for file in files), default=-1) + 1


def read_sets(file: Path) -> list[list[Demonstration]]:
    """The inverse of `write_sets`."""
    sets: list[list[Demonstration]] = []
    for row in pq.read_table(file).to_pylist():
        while len(sets) <= row["demonstration_set"]:
            sets.append([])
        demonstration = Demonstration(
            document=row["document"],
            query=row["query"],
            query_id=row["query_id"],
            conditions=json.loads(row["conditions"]),
            title=row.get("title", ""),  # runs from before there were titles can still be traced
        )
        sets[row["demonstration_set"]].append(demonstration)
    return sets


def write_sets(sets: Sequence[Sequence[Demonstration]], file: Path) -> None:
    """Writes one row per set and position."""
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
