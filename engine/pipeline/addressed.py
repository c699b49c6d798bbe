"""Settles what a task leaves open, before any step is listed.

In: a RunConfig as a user wrote it. Out: the same run, in which every turn has a prompt and is a chat or a completion.
"""

from __future__ import annotations

from dataclasses import replace

from engine.generation.kinds import settle_kinds
from engine.pipeline.config import RunConfig
from engine.queries.conditions import with_measured_weights
from engine.rows.form import with_prompt
from engine.rows.source import find_source


def addressed(config: RunConfig) -> RunConfig:
    """Returns the same run, in which every turn has a prompt, and is a chat or a completion.

    What a task leaves open, the rows of a file of prompts say; the generator settles what is `auto`. Conditions that a
    log of queries shows have its weights.
    """
    if config.prompts.path:
        task = with_prompt(config.task, find_source(config.prompts.path))
    else:
        task = with_measured_weights(config.task, config.queries.path)
    task = settle_kinds(task, config.samples)
    return replace(config, task=task, prompts=replace(config.prompts, task=task))
