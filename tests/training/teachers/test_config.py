"""The settings of a teacher: what cannot work, or would change nothing, is refused by the key to change."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from training.teachers.config import TaughtQueries, TeacherConfig


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"top": -1}, "top=-1"),
        ({"top": 0, "deeper": 0}, "top=0"),
        ({"first_rank": 0}, "first_rank=0"),
        ({"first_rank": 60, "last_rank": 50}, "first_rank=60"),
        ({"last_rank": 201}, "first_rank=10"),
        ({"words": 1.5}, "words=1.5"),
        ({"better_margin": -0.1}, "better_margin=-0.1"),
        ({"by": "fused", "cross_encoder": "DIR"}, "cross_encoder"),
        ({"by": "fused", "training": {"epochs": 1}}, "training"),
        ({"by": "cross_encoder", "cross_encoder": "DIR", "training": {"epochs": 1}}, "training"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        TeacherConfig(**settings)
    assert caught.value.where == f"model.teacher.{where}"


@pytest.mark.parametrize(
    ("teacher", "reads", "mined", "where"),
    [
        (TeacherConfig(better_positive=True), False, 0, "model.teacher.better_positive"),
        (TeacherConfig(queries=TaughtQueries.filtered), False, 0, "model.teacher.queries"),
        (TeacherConfig("fused"), False, 0, "model.teacher.by=fused"),
        (TeacherConfig("fused", mask_false_negatives=True), True, 0, "model.teacher.mask_false_negatives"),
        (TeacherConfig("fused"), True, 2, "model.num_hard_negatives=2"),
        (TeacherConfig("fused", better_positive=True), False, 2, "model.num_hard_negatives=2"),
    ],
)
def test_a_teacher_is_there_where_it_is_needed_and_only_there(
    teacher: TeacherConfig, reads: bool, mined: int, where: str
) -> None:
    with pytest.raises(UserError) as caught:
        teacher.check_use(reads_candidates=reads, num_hard_negatives=mined)
    assert caught.value.where == where


def test_a_querys_own_passage_is_not_pushed_away_where_a_better_one_takes_its_place() -> None:
    teacher = TeacherConfig("fused", better_positive=True)
    with pytest.raises(UserError, match=r"model.teacher.better_positive: .* set model.ranking_share=0"):
        teacher.check_use(reads_candidates=True, num_hard_negatives=0, ranks_positive=True)
    teacher.check_use(reads_candidates=True, num_hard_negatives=0)


def test_uses_that_make_sense_pass() -> None:
    TeacherConfig().check_use(reads_candidates=False, num_hard_negatives=4)
    TeacherConfig("fused").check_use(reads_candidates=True, num_hard_negatives=0)
    TeacherConfig("fused", mask_false_negatives=True).check_use(reads_candidates=False, num_hard_negatives=2)


def test_only_what_training_makes_of_a_teacher_is_in_its_identity() -> None:
    nobody, fused = TeacherConfig(), TeacherConfig("fused", better_positive=True)
    assert identity_of(nobody) == identity_of(TeacherConfig(top=2)) == {"by": "none"}
    assert identity_of(fused) == identity_of(TeacherConfig("fused", top=2, better_positive=True))
    assert identity_of(fused) != identity_of(TeacherConfig("fused", better_positive=True, better_margin=0.5))


def test_queries_that_the_round_trip_rejected_are_trained_on_with_a_teacher_alone() -> None:
    filtered = TaughtQueries.filtered
    assert TeacherConfig("fused", queries=filtered).reasons() == ("round_trip",)
    assert TeacherConfig("fused").reasons() == TeacherConfig(queries=filtered).reasons() == ()
