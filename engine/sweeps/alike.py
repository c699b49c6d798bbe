"""What the points of a search have to share: what their score is measured on, where they run, and no place to write to.

In: the composed configs of points that together have every extreme of the space. Out: nothing, or a refusal that names
the key of the space. Composed configs are compared, so that it does not matter by which key a setting comes: its own, a
group, an experiment, or one that it follows. A point that is measured on fewer passages has a higher score, and would
win for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import UserError
from engine.pipeline.config import GIVEN_KEY, RunConfig
from engine.runtime.tracking import Mode
from engine.sweeps.metric import HELD_OUT, VALIDATION
from engine.sweeps.space import Values
from engine.sweeps.stopping import Stop
from training.validation.config import ValidatedOn

_EVERYWHERE = ("runs_dir", "cluster.address")
"""Keys that are those of the sweep itself: one folder has its points, and one Ray runs them."""
_DATA = ("collection", "documents.path")
"""What is searched."""
_MEASURED: Mapping[str, tuple[str, ...]] = {
    VALIDATION: tuple(
        f"model.validation.{name}" for name in ("queries", "judged", "split", "max_queries", "max_passages")
    ),
    HELD_OUT: tuple(
        f"report.{name}"
        for name in (
            *("benchmark", "split", "max_held_out", "choice_queries"),
            *("rerankers", "trained_reranker_depth", "max_reranked", "expand", "rerank_by", "max_generated_queries"),
        )
    ),
}
"""What says on which queries and among which passages a metric is measured. Where something reranks or is asked, a
report measures on fewer queries. A log (`report.queries`) has no judgements: nothing is measured on its queries, whose
texts have a part in how a point searches."""


def check_alike(runs: Sequence[RunConfig], points: Sequence[Values], metric: str, stop: Stop, where: str) -> None:
    """Refuses a space whose points would be measured on different things, or would belong to different sweeps.

    Args:
        runs: the composed configs of points, the first of which the others are compared with.
        points: the values of the same points.
        metric: what they are judged by.
        stop: how they are stopped.
        where: the sweep file, for messages.

    Raises:
        UserError: a key of the space changes what all points have to share.
    """
    shared = dict.fromkeys(_EVERYWHERE, "all points of a sweep have one")
    shared |= dict.fromkeys(_measured(metric, runs[0]), f"{metric} is measured on or among what it says")
    if stop is not Stop.none:
        shared["model.validation.every"] = f"{stop.value} compares points at the same validation"
    for run, values in zip(runs, points, strict=True):
        for key, reason in shared.items():
            first, other = _value(runs[0], key), _value(run, key)
            if first != other:
                by = _changed_by(key, points[0], values)
                what = f"{key} would be {_shown(first)} in one point and {_shown(other)} in another, and {reason}"
                remedy = "leave it out of the space, and set it for all points (overrides)"
                raise UserError(what, where=f"{where}: space.{by}", remedy=remedy)


def check_outputs(run: RunConfig) -> None:
    """Refuses what every point would write to one place, so that the last one to end would stand there, not the best.

    Raises:
        UserError: the run publishes, writes its answers to one file, or names itself in a tracker.
    """
    if run.publish:
        remedy = "leave it out, and publish the best point when the sweep is done: synthmill publish RUN hub:OWNER/NAME"
        raise UserError("every point would upload its model there", where=f"publish={run.publish}", remedy=remedy)
    if run.samples.output:
        remedy = "leave it out: RUN/output has the answers of each point"
        raise UserError(
            "every point would write that file", where=f"samples.output={run.samples.output}", remedy=remedy
        )
    if run.tracking.run_name and run.tracking.mode is not Mode.off:
        remedy = "leave it out: points have the names of their folders; tracking.group names the sweep"
        where = f"tracking.run_name={run.tracking.run_name}"
        raise UserError("every point would have this name in the tracker", where=where, remedy=remedy)


def may_move_held_out(metric: str, run: RunConfig) -> bool:
    """Tells whether a metric is measured on held-out queries, which other samples change; judged ones stay the same."""
    return metric == HELD_OUT or (metric == VALIDATION and run.model.validation.queries is not ValidatedOn.judged)


def _measured(metric: str, run: RunConfig) -> tuple[str, ...]:
    """Returns the keys that say what a metric is measured on; none of a figure of a record."""
    if metric not in _MEASURED:
        return ()
    given = (GIVEN_KEY,) if may_move_held_out(metric, run) else ()
    return (*_DATA, *given, *_MEASURED[metric])


def _changed_by(key: str, first: Values, other: Values) -> str:
    """Returns the key of the space that changed a setting: the one that holds it, or else the last one that differs."""
    differing = [name for name in other if name not in first or first[name] != other[name]]
    near = [name for name in differing if key.startswith(name.lstrip("+"))]
    return next(iter([*near, *reversed(differing)]), key)


def _value(run: RunConfig, key: str) -> Any:
    value: Any = run
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _shown(value: Any) -> str:
    return repr(getattr(value, "value", value))
