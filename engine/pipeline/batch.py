"""Batch inference: rows -> prompts -> samples -> output.

In: a RunConfig with a file of prompts. Out: its steps.
"""

from __future__ import annotations

from engine.generation.vllm_generator import block_tokens
from engine.output.config import OutputConfig
from engine.output.step import write_output
from engine.pipeline.addressed import addressed
from engine.pipeline.config import RunConfig
from engine.pipeline.generation import generation
from engine.prompts.config import RowsPromptsConfig
from engine.prompts.step import plan_prompts
from engine.rows.config import RowsConfig
from engine.rows.form import leaves_open, sampling_columns
from engine.rows.step import read_rows
from engine.runtime.step import Step


def batch(config: RunConfig) -> list[Step]:
    """Lists the steps of batch inference: every row of a file is asked once, or `prompts.per_row` times."""
    settings, samples, asks_rows = config.prompts, config.samples, leaves_open(config.task)
    config = addressed(config)
    sampling = sampling_columns(config.task) if settings.row_sampling else ()
    source = RowsConfig(settings.path, settings.id_field, sampling=sampling, asks_rows=asks_rows)
    plan = RowsPromptsConfig(
        config.task,
        samples.model,
        samples.context_tokens,
        per_row=settings.per_row,
        refuse=settings.refuse,
        block_tokens=block_tokens(samples),
    )
    rows = Step("rows", read_rows, source, checks_input=True, before_engines=True)
    prompts = Step("prompts", plan_prompts, plan, (rows,), checks_input=True, before_engines=True)
    answers = generation(config.samples, rows, prompts)
    output = Step("output", write_output, OutputConfig(settings.per_row), (rows, answers))
    return [rows, prompts, answers, output]
