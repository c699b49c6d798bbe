"""Plans prompts about the rows of a rows folder: one row of a plan for each, or several.

In: a rows folder, a task whose templates name its columns as `row.NAME`, and the model whose tokens are counted. Out:
the files of a prompts folder, for engines to answer as any other plan. Every prompt is rendered and counted once, some
rows at a time, so that what cannot be asked is known before an engine starts; nothing is held per row. Where rows are
planned in another order than that of their file, the columns that prompts read are written once more in that order:
engines are then given neighbours of the file, each piece of which is read once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import PROMPTS
from engine.artifacts.first_prompts import FirstPrompts, RowName
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.rows import COLUMN, JSON, ROW_ID, SAMPLING, RowsFolder, RowsWriter, columns_of
from engine.errors import UserError, suggest
from engine.task.compiled import Task, compile_task
from engine.task.config import TaskConfig
from engine.task.templates import undeclared_names
from engine.task.turns import prompt_templates, row_columns

OrderRows = Callable[[Iterable[pa.Table]], Iterable[pa.Table]]
"""Takes tables with the columns `prompt` (its beginning), `passage_id`, `prompt_tokens`, `prompt_bytes` and any others;
gives the same rows with all of these, each once, in the order in which they are to be asked, and with the column
`prefix`: a number that neighbours share whose prompts begin alike."""

_VARIABLES = frozenset({"row", "turns", "passage", "condition"})
"""The variables of prompts. About rows the last two are empty, and naming a part of them is refused."""
_CHUNK_ROWS = 1 << 16
"""Rows of one file of a plan."""
_BEGINNING = 1 << 15
"""The characters of a prompt by which an order is found."""
_SHOWN = 40
"""The characters of a prompt by which a message shows it."""


@dataclass(frozen=True)
class RowPlan:
    """How prompts about rows are planned."""

    task: TaskConfig
    """The task, each of whose turns has a kind (engine/generation/kinds.py). It draws no conditions."""
    model: str
    """The model whose tokenizer counts the tokens of prompts, and whose chat template they go through."""
    context_tokens: int
    """Tokens of prompt and answer together."""
    per_row: int = 1
    """Samples of each row."""
    refuse: bool = True
    """Whether a prompt that cannot be asked is an error; else its row fails alone when it is asked."""


def in_file_order(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Keeps rows in the order of their file, as if all their prompts began alike."""
    for table in tables:
        yield table.append_column("prefix", pa.array(np.zeros(table.num_rows, np.int64)))


def plan_rows(
    plan: RowPlan, rows: RowsFolder, folder: PromptsFolder, order_rows: OrderRows = in_file_order
) -> PromptsRecord:
    """Writes the plan of a rows folder.

    Args:
        plan: the task, and how often each row is asked about.
        rows: what is asked about.
        folder: becomes a prompts folder.
        order_rows: puts rows in order.

    Raises:
        UserError: a template names a column that there is not or cannot be rendered, or a prompt is too long.
    """
    task = compile_task(plan.task)
    needed = _check(task, rows)
    folder.write_basis(plan.task, [], [])
    planned = num_tokens = 0
    prefixes: set[int] = set()
    ordered = RowsFolder(folder.path) if order_rows is not in_file_order else None
    prompts = FirstPrompts(task, plan.model, refuse=plan.refuse)
    tables = order_rows(_counted(plan, prompts, rows, needed))
    with ordered.writer() if ordered else contextlib.nullcontext() as writer:
        for number, table in enumerate(_rechunked(tables, plan.per_row, writer)):
            folder.write_chunk(number, _planned(table, planned, plan.per_row))
            planned += table.num_rows * plan.per_row
            num_tokens += int(table["prompt_tokens"].to_numpy().sum(dtype=np.int64)) * plan.per_row
            prefixes |= set(table["prefix"].unique().to_pylist())
    return PromptsRecord(
        planned=planned,
        prefixes=len(prefixes),
        prompt_tokens=num_tokens,
        num_values={},
        distribution={},
        ended_early="",
        demonstrations=0,
        demonstration_sets=0,
        later_prompt_tokens=prompts.later.tokens(planned),
    )


def _check(task: Task, rows: RowsFolder) -> frozenset[str] | None:
    """Returns the columns that the task reads, once one row shows that its templates can be rendered."""
    needed, names = row_columns(task.turns.values()), rows.names()
    for name in sorted((needed or frozenset()) - set(names)):
        turn = next(turn for turn in task.turns.values() if name in (row_columns([turn]) or ()))
        part = "conversation" if turn.config.conversation == name else "prompt"
        raise UserError(f"there is no column {name!r}", where=f"{turn.where}.{part}", remedy=suggest(name, names))
    for turn in task.turns.values():
        read = set[str]().union(*map(undeclared_names, prompt_templates(turn)))
        for name in sorted(read - _VARIABLES):
            remedy = f"a template writes a column as row.NAME: {suggest(name, names)}"
            raise UserError(f"there is no {name!r}", where=f"{turn.where}.prompt", remedy=remedy)
        if turn.config.demonstration:
            remedy = "write them into the prompt, or leave `demonstration` out"
            where = f"{turn.where}.demonstration"
            raise UserError("prompts about rows show no demonstrations", where=where, remedy=remedy)
    if task.config.attributes:
        remedy = "give them as columns: {{ row.NAME }}"
        raise UserError("prompts about rows have no conditions", where="task.attributes", remedy=remedy)
    return needed


def _counted(
    plan: RowPlan, prompts: FirstPrompts, rows: RowsFolder, needed: frozenset[str] | None
) -> Iterator[pa.Table]:
    """Gives each row's id, the prompt of its first turn and its number of tokens, in the order of the file."""
    number = 0
    for batch in rows.stream(needed):
        ids, texts = batch[ROW_ID], []
        for row in batch.to_pylist():
            number += 1
            texts.append(prompts.text(columns_of(row), RowName(number, row[ROW_ID])))
        tokens = prompts.count(texts)
        if plan.refuse and (too_long := [place for place, count in enumerate(tokens) if count >= plan.context_tokens]):
            place = too_long[0]
            name = RowName(number - len(texts) + place + 1, ids[place].as_py())
            _refuse_long(plan, name, texts[place], tokens[place])
        columns = {
            "prompt": pa.array([text[:_BEGINNING] for text in texts], pa.large_string()),
            "passage_id": ids,
            "prompt_tokens": pa.array(tokens, pa.int32()),
            "prompt_bytes": pa.array([len(text.encode()) for text in texts], pa.int64()),
            **{name: batch[name] for name in batch.schema.names if name != ROW_ID},
        }
        yield pa.table(columns)
    prompts.check_any()


def _refuse_long(plan: RowPlan, name: RowName, text: str, tokens: int) -> None:
    what = f"{name} has a prompt of {tokens:,} tokens, the context {plan.context_tokens:,}: {text[:_SHOWN]!r}..."
    remedy = "raise it, shorten the row, or let such rows fail alone: prompts.refuse=false"
    raise UserError(what, where=f"samples.context_tokens={plan.context_tokens}", remedy=remedy)


def _rechunked(tables: Iterable[pa.Table], per_row: int, writer: RowsWriter | None) -> Iterator[pa.Table]:
    """Cuts what a plan needs of tables anew, into as many rows as one file of it takes.

    Args:
        tables: rows in the order of the plan.
        per_row: samples of each.
        writer: is given the rows themselves, in that order, where they are to be written once more.
    """
    rows_of_file = max(1, _CHUNK_ROWS // per_row)
    waiting: list[pa.Table] = []
    for table in tables:
        if writer:
            stored = [name for name in table.column_names if name.startswith((COLUMN, JSON, SAMPLING))]
            writer.add_stored(table.select(["passage_id", *stored]).rename_columns([ROW_ID, *stored]))
        waiting.append(table.select(["passage_id", "prefix", "prompt_tokens"]))
        while sum(each.num_rows for each in waiting) >= rows_of_file:
            together = pa.concat_tables(waiting)
            yield together.slice(0, rows_of_file).combine_chunks()
            waiting = [together.slice(rows_of_file)]
    if rest := [table for table in waiting if table.num_rows]:
        yield pa.concat_tables(rest).combine_chunks()


def _planned(table: pa.Table, first: int, per_row: int) -> pa.Table:
    """Makes rows of a plan: `per_row` of each row of the table, one behind the other."""
    count = table.num_rows * per_row
    rows = table.take(pa.array(np.repeat(np.arange(table.num_rows), per_row)))
    empty, zeros = pa.array([""] * count, pa.string()), np.zeros(count, np.int32)
    columns = {
        **{name: rows[name] for name in ("passage_id", "prefix", "prompt_tokens")},
        **dict.fromkeys(("cell", "demonstrations"), empty),
        **dict.fromkeys(("round", "demonstration_set"), zeros),
        "sample_id": np.arange(first, first + count),
        "replicate": np.arange(count) % per_row,
    }
    return pa.table({name: columns[name] for name in PROMPTS.names}).cast(PROMPTS)
