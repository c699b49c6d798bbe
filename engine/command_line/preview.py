"""Shows with `preview=N` what a run would ask, before any engine starts: prompts, shares of conditions, tokens.

In: a RunConfig. Out: text on the terminal. Documents and plan are made (they are cheap, and kept); with
`sample=true` the first N samples are generated as well, and time is forecast from them.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape
from rich.table import Table

from engine.artifacts.columns import CONDITION_PREFIX, condition_names
from engine.artifacts.prompts import PromptsFolder, PromptsRecord, planned_rows
from engine.artifacts.samples import EngineTime
from engine.artifacts.subjects import Subjects, open_subjects
from engine.command_line.panels import conditions_line, panels, planned_exchanges, written_exchanges
from engine.pipeline.asked import asked_of_models
from engine.pipeline.config import RunConfig
from engine.pipeline.encoding import naming_encoder
from engine.pipeline.looks import check_judgements, look_at_inputs
from engine.prompts.conditions.conditions import PATH_SUFFIX
from engine.run import open_place, wanted_steps
from engine.runtime.console import Console
from engine.runtime.step import make
from engine.storage.in_use import using
from engine.storage.remote.opening import open_sharing
from engine.storage.store import Store
from engine.text.durations import format_seconds
from eval.cost import Prices, price_of

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.samples.config import SamplesConfig
    from engine.task.compiled import Task

_FEW_VALUES = 8
"""Two conditions with at most so many values each are shown together."""


@dataclass(frozen=True)
class _Planned:
    """The plan that is previewed, with its task and its first rows."""

    folder: PromptsFolder
    task: Task
    rows: pa.Table
    """The first planned rows with their passages, in plan order."""


def preview(config: RunConfig, console: Console | None = None) -> None:
    """Prints the preview of a run.

    Raises:
        UserError: the run would be refused before it generates anything.
    """
    wanted = wanted_steps(config)
    console = console or Console()
    look_at_inputs(config, wanted, console.warn)
    known = {step.fingerprint for step in wanted}  # every setting is looked at for it
    steps = wanted_steps(replace(config, until="prompts"))
    known |= {step.fingerprint for step in steps}
    shared = open_sharing(config.runs_dir)
    with open_place(config, console, shared) as place, using(place.store_dir, known):
        store = Store(place.store_dir)
        made = {step.entry: make(step, store, naming_encoder(step, place)) for step in steps}
        for made_folder in made.values():
            shared.fetch(made_folder)
        if "documents" in made:
            check_judgements(config, made["documents"], place.console)
        folder = PromptsFolder(made["prompts"])
        rows = first_rows(open_subjects(made, folder), folder, config.preview)
        planned = _Planned(folder, folder.prompts().compile(), rows)
        if not config.sample:  # otherwise they are shown with their answers
            _show_prompts(planned, place)
        _show_plan(planned, config, place)
        if config.sample:
            _generate(planned, config, place)


def first_rows(subjects: Subjects, prompts: PromptsFolder, count: int) -> pa.Table:
    """Returns the first planned rows, joined with what they are about, in plan order."""
    return subjects.join(prompts.first_rows(count)).combine_chunks()


def _show_prompts(planned: _Planned, place: Place) -> None:
    for row in planned_rows(planned.rows):
        first, *others = panels(planned_exchanges(planned.task, row), row, conditions_line(row.conditions))
        first.subtitle = f"about {row.prompt_tokens} tokens"
        for panel in (first, *others):
            place.console.show(panel)


def _show_samples(planned: _Planned, samples: pa.Table, place: Place) -> None:
    for row, sample in zip(planned_rows(planned.rows), samples.to_pylist(), strict=True):
        *others, last = panels(written_exchanges(planned.task, row, sample), row, conditions_line(row.conditions))
        last.subtitle = f"{sample['status']}, {sample['output_tokens']} tokens written"
        for panel in (*others, last):
            place.console.show(panel)


def _show_plan(planned: _Planned, config: RunConfig, place: Place) -> None:
    record = planned.folder.record()
    for name, shares in record.distribution.items():
        number = record.num_values[name]
        if number > len(shares):
            place.console.step("conditions", f"{name}: {number:,} values, most frequent {max(shares.values()):.1%}")
        else:
            place.console.show(shares_table(name, shares))
    if pair := crossed(record.num_values):
        place.console.show(joint_table(planned.folder, *pair))
    if record.ended_early:
        place.console.step("conditions", record.ended_early)
    output_tokens = record.planned * planned.task.output_limit(config.samples.max_tokens)
    place.console.step("forecast", tokens_forecast(record, output_tokens))
    for line in asked_of_models(config):
        place.console.step("forecast", line)


def tokens_forecast(record: PromptsRecord, output_tokens: int) -> str:
    """Says how many tokens a plan will take, as far as that is known before anything is answered.

    Args:
        record: of the plan.
        output_tokens: of all samples at most.
    """
    prefixes = f"{record.prefixes:,} shared prefixes are" if record.prefixes != 1 else "1 shared prefix is"
    later = record.later_prompt_tokens
    of_later = f"; {later:,} are of later turns, without the answers that these show" if later else ""
    return (
        f"{record.planned:,} samples, {record.prompt_tokens + later:,} prompt tokens ({prefixes} computed once"
        f"{of_later}), at most {output_tokens:,} output tokens"
    )


def shares_table(name: str, shares: Mapping[str, float]) -> Table:
    """Makes a table of the shares of all samples by one condition; its name is a header, since titles would wrap."""
    table = Table(escape(f"condition {name}"))
    table.add_column("share", justify="right")
    for value in in_order(shares):
        table.add_row(escape(value) or "(none)", f"{shares[value]:.1%}")
    return table


def in_order(values: Collection[str]) -> list[str]:
    """Sorts values by size where all are numbers, else as text."""
    try:
        return sorted(values, key=lambda value: (value != "", float(value or 0)))
    except ValueError:
        return sorted(values)


def crossed(num_values: Mapping[str, int]) -> tuple[str, str] | None:
    """Returns the first two conditions of few values, to be shown together; a taxonomy and its path count as one."""
    few = [name for name, number in num_values.items() if 1 < number <= _FEW_VALUES]
    apart = [name for name in few if name.removesuffix(PATH_SUFFIX) not in few or not name.endswith(PATH_SUFFIX)]
    return (apart[0], apart[1]) if len(apart) > 1 else None


def joint_table(prompts: PromptsFolder, down: str, across: str) -> Table:
    """Makes a table of the shares of all samples by two conditions, a row for each value of the first."""
    names = [f"{CONDITION_PREFIX}{down}", f"{CONDITION_PREFIX}{across}"]
    counts: Counter[tuple[str, str]] = Counter()
    for chunk in prompts.stream(names):
        for row in chunk.group_by(names).aggregate([([], "count_all")]).to_pylist():
            counts[row[names[0]], row[names[1]]] += row["count_all"]
    columns = in_order({value for _, value in counts})
    table = Table(escape(f"{down} by {across}"))
    for value in columns:
        table.add_column(escape(value) or "(none)", justify="right")
    for value in in_order({value for value, _ in counts}):
        shares = (counts[value, column] / counts.total() for column in columns)
        table.add_row(escape(value) or "(none)", *(f"{share:.1%}" for share in shares))
    return table


def _generate(planned: _Planned, config: RunConfig, place: Place) -> None:
    from engine.artifacts.samples import SamplesFolder
    from engine.generation.jobs import GenerationJob, units_of
    from engine.storage.parts_log import PartsLog

    rows = planned.rows
    with tempfile.TemporaryDirectory(prefix="synthmill-preview-") as scratch:
        parts = PartsLog.take_over(Path(scratch), int(pc.max(rows["sample_id"]).as_py()) + 1)
        job = GenerationJob(
            planned.folder.prompts(),
            parts.start,
            parts.attempt_folder,
            condition_names(rows),
            max_failed_share=config.samples.max_failed_share,
        )
        pool = place.engines.start(config.samples, place, "preview")
        place.console.step("samples", f"loading {config.samples.model_name()}")
        with place.console.waiting("samples", f"loading {config.samples.model_name()}"):
            start_seconds = pool.wait_ready()
        started = time.monotonic()
        pool.generate(job, parts, units_of(rows), lambda _: None)
        seconds = time.monotonic() - started
        _show_samples(planned, SamplesFolder(Path(scratch)).rows(), place)
    num_planned = planned.folder.record().planned
    forecast = start_seconds + seconds / rows.num_rows * num_planned
    money = money_forecast(forecast, config.samples, place.num_cpus)
    place.console.step(
        "forecast",
        f"{num_planned:,} samples in at most {format_seconds(forecast)}{money}, from {rows.num_rows} that took "
        f"{format_seconds(seconds)} after {format_seconds(start_seconds)} of loading; full batches are faster",
    )


def money_forecast(seconds: float, samples: SamplesConfig, num_cpus: int) -> str:
    """Says what a time of one engine costs; nothing where the price of its processors is unknown.

    Args:
        seconds: the time.
        samples: how many GPUs the engine has, and what processors cost (`samples.price_per_gpu_hour`).
        num_cpus: the cores that it has where it has no GPU.
    """
    gpus = samples.gpus()
    used = EngineTime(cpu_seconds=0.0 if gpus else seconds * num_cpus, gpu_seconds=seconds * gpus)
    price = price_of(used, Prices(samples.price_per_gpu_hour, samples.price_per_cpu_hour))
    return "" if price is None else f" and for at most {price:,.2f} at the prices of samples.price_per_*_hour"
