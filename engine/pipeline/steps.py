"""The steps of a run, whatever its kind: nothing else decides what a run is.

In: a RunConfig. Out: its steps in the order in which data meets them.

    adaptation      documents -> prompts -> samples -> examples -> model -> report -> system
    batch           rows -> prompts -> samples -> output
    chunk_sizes     ... examples -> documents, once for each size -> chunk_sizes
    learning_curve  ... examples -> (examples -> model -> scores), for each share and seed -> learning_curve
    given           examples -> model -> report
    stages          examples -> (model -> scores), for each stage -> stages

Each step is one function `(config, inputs, output, place) -> record`; data passes between steps only through
folders of Parquet, so any step can be run, read, replaced or resumed alone.
"""

from __future__ import annotations

from engine.pipeline.adaptation import adaptation
from engine.pipeline.addressed import addressed
from engine.pipeline.batch import batch
from engine.pipeline.config import GIVEN_KEY, STAGES_KEY, RunConfig, kinds_of
from engine.pipeline.experiments import chunk_sizes, learning_curve
from engine.pipeline.given import given
from engine.pipeline.stages import stages
from engine.runtime.step import Step


def steps(config: RunConfig) -> list[Step]:
    """Lists the steps of a run in the order in which data meets them."""
    if config.prompts.path:
        return batch(config)
    if GIVEN_KEY in kinds_of(config):
        return given(config)
    if STAGES_KEY in kinds_of(config):
        return stages(config)
    config = addressed(config)
    if config.chunk_sizes.tokens:
        return chunk_sizes(config)
    return learning_curve(config) if config.learning_curve.shares else adaptation(config)
