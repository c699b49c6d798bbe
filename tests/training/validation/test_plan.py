"""When the model is measured is the same on every rank."""

from __future__ import annotations

from training.validation.plan import ValidationPlan


def test_it_is_measured_before_the_first_step_every_so_often_and_after_the_last() -> None:
    plan = ValidationPlan(4, (), (), (), (), ())
    assert [step for step in range(11) if plan.is_due(step, 10)] == [0, 4, 8, 10]
