"""Rows folders for tests, and plans over them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.row_plans import OrderRows, RowPlan, in_file_order, plan_rows
from engine.artifacts.rows import RowsFolder
from engine.task.config import PromptKind, TaskConfig

MODEL = "bundled:smollm2-135m-instruct"
ABOUT_BODY = TaskConfig(name="about", prompt="About: {{ row.body }}\nNow:", kind=PromptKind.completion)


def write_rows(
    folder: Path,
    ids: list[str],
    columns: dict[str, list[object]],
    *,
    as_json: Collection[str] = (),
    sampling: dict[str, list[object]] | None = None,
) -> RowsFolder:
    """A rows folder, written in two pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, table = RowsFolder(folder), pa.table(columns)
    settings = pa.table(sampling) if sampling else None
    with rows.writer() as writer:
        for cut in (slice(0, len(ids) // 2), slice(len(ids) // 2, None)):
            first, length = cut.start, len(ids[cut])
            some = settings.slice(first, length) if settings is not None else None
            writer.add(ids[cut], table.slice(first, length), as_json=as_json, sampling=some)
    return rows


def write_plan(
    folder: Path,
    rows: RowsFolder,
    task: TaskConfig = ABOUT_BODY,
    *,
    context_tokens: int = 512,
    per_row: int = 1,
    refuse: bool = True,
    order_rows: OrderRows = in_file_order,
) -> tuple[PromptsFolder, PromptsRecord]:
    """A plan over a rows folder."""
    folder.mkdir(parents=True)
    prompts = PromptsFolder(folder)
    plan = RowPlan(task, MODEL, context_tokens, per_row, refuse)
    return prompts, plan_rows(plan, rows, prompts, order_rows)
