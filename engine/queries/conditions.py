"""Gives conditions the weights that a query log shows: samples are then asked for as people ask.

In: a task whose attributes say `from_queries`, and a log. Out: the same task with measured weights in place of written
ones. Only the weights go on, so that a log that grows and stays alike plans nothing anew.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.errors import UserError
from engine.queries.log import KEY, draw_from_log, find_log
from engine.queries.traits import weights_of_trait
from engine.task.config import AttributeConfig, QueryTrait, TaskConfig
from engine.task.shares import weights_of

_MEASURED_QUERIES = 10_000
"""Distinct queries of the log that traits are measured by."""
_DIGITS = 2
"""Digits of a measured share: a few queries more change nothing, and so make no other plan."""


def with_measured_weights(task: TaskConfig, path: str) -> TaskConfig:
    """Returns the task with the weights of a log; without a log it stays as it is.

    Args:
        task: its attributes say what is measured.
        path: `queries.path`; empty for no log.

    Raises:
        UserError: the log cannot be read, or no value of an attribute can be told in queries.
    """
    if not path:
        return task
    measure_trait(QueryTrait.form, path)  # whatever is wrong with the log is said, even where no condition asks for it
    attributes = {
        name: _measured(name, attribute, attribute.from_queries, path) if attribute.from_queries else attribute
        for name, attribute in task.attributes.items()
    }
    return replace(task, attributes=attributes)


def _measured(name: str, attribute: AttributeConfig, trait: QueryTrait, path: str) -> AttributeConfig:
    shares = measure_trait(trait, path)
    if trait is QueryTrait.words:
        return replace(attribute, values=shares)
    where = f"task.attributes.{name}"
    written = weights_of(attribute.values, f"{where}.values") if attribute.values else shares
    told = {value: weight for value, weight in written.items() if value in shares}
    if not told:
        what = f"{KEY} tells only {' and '.join(shares)} apart, and the values are {', '.join(written)}"
        remedy = "name values so, or leave from_queries out"
        raise UserError(what, where=f"{where}.from_queries", remedy=remedy)
    return replace(attribute, values=written | _redistributed(told, shares))


def _redistributed(told: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    """Gives the weight that some values have together to each by its share in the log.

    Other values, of which a log tells nothing, so keep what they have.
    """
    seen = sum(shares[value] for value in told)
    if not seen:
        return dict(told)
    together = sum(told.values())
    return {value: float(f"{together * shares[value] / seen:.6g}") for value in told}


def measure_trait(trait: QueryTrait, path: str) -> dict[str, float]:
    """Returns the share of each value of a trait among the distinct queries of a log.

    Raises:
        UserError: the log cannot be read, or holds no query.
    """
    file = find_log(path)
    state = file.stat()
    return {
        value: round(share, _DIGITS) or float(f"{share:.1g}")
        for value, share in weights_of_trait(trait, _drawn(file, state.st_size, state.st_mtime_ns)).items()
    }


@functools.lru_cache(maxsize=1)
def _drawn(file: Path, size: int, changed: int) -> tuple[str, ...]:  # noqa: ARG001  # what a file holds goes with both
    """Draws the queries that traits are measured by; a run asks several times."""
    return tuple(draw_from_log(file, _MEASURED_QUERIES, seed=0).values())
