"""Points of a search are measured on the same things, run at one place, and write to no common one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.documents.config import DocumentsConfig
from engine.errors import UserError
from engine.examples.config import ExamplesConfig
from engine.pipeline.config import RunConfig
from engine.prompts.config import PromptsConfig
from engine.runtime.cluster import ClusterConfig
from engine.runtime.tracking import Mode, TrackingConfig
from engine.samples.config import SamplesConfig
from engine.sweeps.alike import check_alike, check_outputs, may_move_held_out
from engine.sweeps.stopping import Stop
from eval.config import ReportConfig
from training.config import ModelConfig
from training.validation.config import ValidatedOn, ValidationConfig

REPORT = ReportConfig(benchmark="", seed=0, price_per_gpu_hour=0.0, price_per_cpu_hour=0.0)
RUN = RunConfig(
    collection="x",
    documents=DocumentsConfig(path="x"),
    model=ModelConfig(seed=0, validation=ValidationConfig(every=5)),
    report=REPORT,
)
JUDGED = ValidationConfig(every=5, queries=ValidatedOn.judged, judged="dev")


def validated(**changes: Any) -> RunConfig:
    """A run whose validation differs."""
    return replace(RUN, model=replace(RUN.model, validation=replace(RUN.model.validation, **changes)))


@pytest.mark.parametrize(
    ("metric", "other", "key", "said"),
    [
        (
            "validation",
            validated(max_passages=9),
            "model.validation.max_passages",
            "1000 in one point and 9 in another",
        ),
        (
            "validation",
            validated(max_passages=9),
            "model.validation",
            "validation is measured on or among what it says",
        ),
        ("validation", validated(max_queries=9), "model", "model.validation.max_queries would be"),
        ("validation", validated(queries=ValidatedOn.both, judged="dev"), "model.validation.queries", "'both'"),
        ("validation", replace(RUN, collection="y"), "collection", "collection would be 'x' in one point and 'y'"),
        ("held_out", replace(RUN, documents=DocumentsConfig(path="y")), "documents.path", "documents.path would be"),
        ("held_out", replace(RUN, examples=ExamplesConfig(path="y")), "examples.path", "examples.path would be"),
        (
            "held_out",
            replace(RUN, report=replace(REPORT, max_held_out=9)),
            "report.max_held_out",
            "report.max_held_out",
        ),
        ("held_out", replace(RUN, report=replace(REPORT, expand="rewrites")), "experiment", "report.expand would be"),
        ("model.steps", replace(RUN, runs_dir="elsewhere"), "runs_dir", "all points of a sweep have one"),
        ("model.steps", replace(RUN, cluster=ClusterConfig("auto")), "cluster", "cluster.address would be 'local'"),
    ],
)
def test_a_space_that_changes_what_points_share_is_refused(metric: str, other: RunConfig, key: str, said: str) -> None:
    points = [{"seed": 1, key: "a"}, {"seed": 2, key: "a"}, {"seed": 1, key: "b"}]
    with pytest.raises(UserError, match=rf"^f: space\.{key}: .*{said}"):
        check_alike([RUN, RUN, other], points, metric, Stop.none, "f")


@pytest.mark.parametrize(
    ("metric", "other"),
    [
        ("model.steps", validated(max_passages=9)),
        ("validation", validated(every=9)),
        ("validation", replace(RUN, report=replace(REPORT, max_held_out=9))),
        ("held_out", validated(max_passages=9)),
        ("held_out", replace(RUN, report=replace(REPORT, bm25_k1=0.9))),
        ("held_out", replace(RUN, report=replace(REPORT, queries="log.txt"))),
        ("validation", replace(RUN, model=replace(RUN.model, train_max_tokens=9))),
    ],
)
def test_what_a_metric_does_not_go_by_may_be_searched(metric: str, other: RunConfig) -> None:
    check_alike([RUN, other], [{"a": 1}, {"a": 2}], metric, Stop.none, "f")


def test_points_that_are_stopped_validate_at_the_same_steps() -> None:
    with pytest.raises(UserError, match=r"^f: space\.a: .*asha compares points at the same validation"):
        check_alike([RUN, validated(every=9)], [{"a": 1}, {"a": 2}], "validation", Stop.asha, "f")


def test_examples_to_train_on_may_differ_where_the_questions_do_not() -> None:
    run = validated(queries=ValidatedOn.judged, judged="dev")
    assert not may_move_held_out("validation", run)
    assert may_move_held_out("held_out", run)
    assert may_move_held_out("validation", validated(queries=ValidatedOn.both, judged="dev"))
    assert not may_move_held_out("examples.kept", RUN)
    other = replace(run, examples=ExamplesConfig(path="y"))
    check_alike([run, other], [{"a": 1}, {"a": 2}], "validation", Stop.none, "f")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"publish": "hub:me/it"},
            r"^publish=hub:me/it: every point would upload its model there; .*synthmill publish",
        ),
        (
            {"samples": SamplesConfig(seed=0, output="a.csv"), "prompts": PromptsConfig(path="rows.csv", max_tokens=1)},
            r"^samples\.output=a\.csv: every point would write",
        ),
        ({"tracking": TrackingConfig(run_name="one")}, r"^tracking\.run_name=one: every point would have this name"),
    ],
)
def test_what_every_point_would_write_to_one_place_is_refused(changes: dict[str, Any], said: str) -> None:
    check_outputs(RUN)
    with pytest.raises(UserError, match=said):
        check_outputs(replace(RUN, **changes))


def test_a_name_that_no_tracker_sees_is_no_harm() -> None:
    check_outputs(replace(RUN, tracking=TrackingConfig(Mode.off, run_name="one")))
