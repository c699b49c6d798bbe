"""`preview=N`: what a run would ask, before any engine starts: prompts, the distribution of conditions, tokens.

In: a RunConfig. Out: text on the terminal. Documents and plan are made (they are cheap, and kept); with
`sample=true` the first N samples are generated as well, and time is forecast from them.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table

from engine.artifacts.columns import CONDITION_PREFIX, condition_names
from engine.artifacts.prompts import PromptsFolder
from engine.command_line.panels import conditions_line, panels, planned_exchanges, written_exchanges
from engine.pipeline import RunConfig
from engine.prompts.conditions.conditions import PATH_SUFFIX
from engine.run import open_place, wanted_steps
from engine.runtime.console import Console, format_seconds
from engine.runtime.step import make
from engine.storage.store import Store
from engine.task.turns import output_limit

if TYPE_CHECKING:
    from engine.runtime.place import Place


_FEW_VALUES = 8
"""Two conditions with at most so many values each are shown together."""


def preview(config: RunConfig, console: Console | None = None) -> None:
    """Prints the preview of a run."""
    documents, prompts = wanted_steps(replace(config, until="prompts"))
    with open_place(config, console or Console()) as place:
        store = Store(place.store_dir)
        folders = {"documents": make(documents, store, place), "prompts": make(prompts, store, place)}
        rows = first_rows(folders, config.preview)
        if not config.sample:  # else they are shown with what was really answered
            _show_prompts(rows, folders["prompts"], place)
        _show_plan(folders["prompts"], config, place)
        if config.sample:
            _generate(rows, folders, config, place)


def first_rows(folders: dict[str, Path], count: int) -> pa.Table:
    """The first planned rows, joined with their passages, in plan order."""
    from engine.generation.jobs import make_units

    passages = pq.read_table(folders["documents"] / "passages.parquet", columns=["passage_id", "title", "text"])
    plan = PromptsFolder(folders["prompts"]).plan().slice(0, count)
    return pa.concat_tables([unit.rows for unit in make_units(plan, passages, count)]).sort_by("sample_id")


def _show_prompts(rows: pa.Table, prompts: Path, place: Place) -> None:

    renderers = PromptsFolder(prompts).prompts().renderers()
    for row in rows.to_pylist():
        first, *others = panels(planned_exchanges(renderers, row), row, conditions_line(row["cell"]))
        first.subtitle = f"about {row['prompt_tokens']} tokens"
        for panel in (first, *others):
            place.console.show(panel)


def _show_samples(rows: pa.Table, samples: pa.Table, prompts: Path, place: Place) -> None:

    renderers = PromptsFolder(prompts).prompts().renderers()
    for row, sample in zip(rows.to_pylist(), samples.to_pylist(), strict=True):
        *others, last = panels(written_exchanges(renderers, row, sample), row, conditions_line(row["cell"]))
        last.subtitle = f"{sample['status']}, {sample['output_tokens']} tokens written"
        for panel in (*others, last):
            place.console.show(panel)


def _show_plan(prompts: Path, config: RunConfig, place: Place) -> None:
    record = PromptsFolder(prompts).record()
    for name, shares in record.distribution.items():
        number = record.num_values[name]
        if number > len(shares):
            place.console.step("conditions", f"{name}: {number:,} values, most frequent {max(shares.values()):.1%}")
        else:
            place.console.show(shares_table(name, shares))
    if pair := crossed(record.num_values):
        place.console.show(joint_table(prompts, *pair))
    if record.ended_early:
        place.console.step("conditions", record.ended_early)
    planned, tokens = record.planned, record.prompt_tokens
    place.console.step(
        "forecast",
        f"{planned:,} samples, {tokens:,} prompt tokens ({record.prefixes} shared prefixes are computed once), "
        f"at most {planned * output_limit(config.task, config.samples.max_tokens):,} output tokens",
    )


def shares_table(name: str, shares: Mapping[str, float]) -> Table:
    """The shares of all planned samples by one condition, whose name is a header: titles wrap in narrow tables."""
    table = Table(escape(f"condition {name}"))
    table.add_column("share", justify="right")
    for value in in_order(shares):
        table.add_row(escape(value) or "(none)", f"{shares[value]:.1%}")
    return table


def in_order(values: Collection[str]) -> list[str]:
    """Values by size where all are numbers, else as text."""
    try:
        return sorted(values, key=lambda value: (value != "", float(value or 0)))
    except ValueError:
        return sorted(values)


def crossed(num_values: Mapping[str, int]) -> tuple[str, str] | None:
    """The first two conditions of few values, which are shown together; a taxonomy and the path in it are one."""
    few = [name for name, number in num_values.items() if 1 < number <= _FEW_VALUES]
    own = [name for name in few if name.removesuffix(PATH_SUFFIX) not in few or not name.endswith(PATH_SUFFIX)]
    return (own[0], own[1]) if len(own) > 1 else None


def joint_table(prompts: Path, down: str, across: str) -> Table:
    """The shares of all planned samples by two conditions, a row for each value of the first."""
    names = [f"{CONDITION_PREFIX}{down}", f"{CONDITION_PREFIX}{across}"]
    counts: Counter[tuple[str, str]] = Counter()
    for file in sorted(prompts.glob("plan-*.parquet")):
        found = pq.read_table(file, columns=names).group_by(names).aggregate([([], "count_all")])
        for row in found.to_pylist():
            counts[row[names[0]], row[names[1]]] += row["count_all"]
    columns = in_order({value for _, value in counts})
    table = Table(escape(f"{down} by {across}"))
    for value in columns:
        table.add_column(escape(value) or "(none)", justify="right")
    for value in in_order({value for value, _ in counts}):
        shares = (counts[value, column] / counts.total() for column in columns)
        table.add_row(escape(value) or "(none)", *(f"{share:.1%}" for share in shares))
    return table


def _generate(rows: pa.Table, folders: dict[str, Path], config: RunConfig, place: Place) -> None:
    from engine.artifacts.samples import SamplesFolder
    from engine.generation.jobs import Job, make_units
    from engine.storage.parts import open_attempt

    with tempfile.TemporaryDirectory(prefix="synthmill-preview-") as scratch:
        job = Job(PromptsFolder(folders["prompts"]).prompts(), 1, open_attempt(Path(scratch), 1), condition_names(rows))
        pool = place.engines.start(config.samples, place)
        place.console.step("samples", f"loading {config.samples.model_name()}")
        start_seconds = pool.wait_ready()
        started = time.monotonic()
        passages = rows.select(["passage_id", "title", "text"])
        pool.generate(job, make_units(rows.drop_columns(["title", "text"]), passages, rows.num_rows), lambda _: None)
        seconds = time.monotonic() - started
        _show_samples(rows, SamplesFolder(Path(scratch)).rows(), folders["prompts"], place)
    record = PromptsFolder(folders["prompts"]).record()
    forecast = start_seconds + seconds / rows.num_rows * record.planned
    place.console.step(
        "forecast",
        f"{record.planned:,} samples in at most {format_seconds(forecast)}, from {rows.num_rows} that took "
        f"{format_seconds(seconds)} after {format_seconds(start_seconds)} of loading; full batches are faster",
    )
