"""A run that is wrong as a whole is stopped; one with some failures goes on."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.generation.totals import check_failures


def test_a_run_that_is_wrong_as_a_whole_is_stopped() -> None:
    totals = [{"failed": 60, "last_error": "no room"}, {"failed": 0, "last_error": ""}]
    with pytest.raises(UserError, match=r"60 of 100 samples failed, the last with: no room"):
        check_failures(0.5, 100, totals)
    check_failures(0.6, 100, totals)
    check_failures(0.1, 49, [{"failed": 49, "last_error": "early"}])


def test_a_run_of_few_samples_can_be_wrong_as_a_whole() -> None:
    totals = [{"failed": 2, "last_error": "no room"}]
    check_failures(0.5, 2, totals)
    with pytest.raises(UserError, match="2 of 2 samples failed, the last with: no room"):
        check_failures(0.5, 2, totals, at_least=1)


def test_what_a_task_turns_down_is_no_fault_unless_it_is_all() -> None:
    check_failures(0.5, 100, [{"failed": 90, "turned_down": 85, "last_error": "x"}])
    with pytest.raises(UserError, match="10 of 15 samples failed"):
        check_failures(0.5, 100, [{"failed": 95, "turned_down": 85, "last_error": "x"}], at_least=1)
    with pytest.raises(UserError, match="100 of 100 samples failed, the last with: keep_if"):
        check_failures(0.5, 100, [{"failed": 100, "turned_down": 100, "last_error": "keep_if"}])
