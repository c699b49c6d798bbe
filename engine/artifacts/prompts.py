"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.task.config import task_from_json
from engine.task.render import Demonstration, Prompts


def read_plan(prompts: Path) -> pa.Table:
    """All planned rows of a prompts folder, by `sample_id`."""
    return pa.concat_tables([pq.read_table(file) for file in sorted(prompts.glob("plan-*.parquet"))])


@dataclass(frozen=True)
class PlanFile:
    """One file of a plan: its smallest and largest id, and its number of rows."""

    path: Path
    first: int
    last: int
    rows: int


def plan_files(prompts: Path) -> list[PlanFile]:
    """The files of a plan, from their footers alone."""
    return [_plan_file(path) for path in sorted(prompts.glob("plan-*.parquet"))]


def _plan_file(path: Path) -> PlanFile:
    metadata = pq.read_metadata(path)
    columns = [metadata.row_group(index).column(0) for index in range(metadata.num_row_groups)]
    assert all(column.path_in_schema == "sample_id" and column.statistics for column in columns), f"{path} is no plan"
    ranges = [(column.statistics.min, column.statistics.max) for column in columns]
    return PlanFile(path, min(low for low, _ in ranges), max(high for _, high in ranges), metadata.num_rows)


def size_of(files: list[PlanFile]) -> int:
    """One more than the largest id: the size of a bitmap of the plan."""
    return max(file.last for file in files) + 1


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
