"""Totals of engines add up; what is worked out of them; a run that is wrong as a whole is stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.artifacts.samples import EngineTime
from engine.errors import UserError
from engine.generation.totals import EngineTotals, add_up, check_failures, engine_time, hit_rate, idle_time

ONE = EngineTotals(generated=3, failed=1, committed=2, first_admitted=100.0, last_committed=110.0, cpus=4)
OTHER = EngineTotals(generated=5, requests=7, first_admitted=90.0, last_committed=105.0, cpus=2, gpus=1)


def test_counts_of_several_engines_are_sums() -> None:
    both = add_up([ONE, OTHER])
    assert (both.generated, both.failed, both.committed, both.requests, both.cpus, both.gpus) == (8, 1, 2, 7, 6, 1)
    assert both.finished == 9


def test_several_engines_work_from_the_first_request_to_the_last_part() -> None:
    both = ONE + OTHER
    assert (both.first_admitted, both.last_committed, both.seconds) == (90.0, 110.0, 20.0)
    assert (ONE + EngineTotals()).first_admitted == 100.0, "an engine that was never asked has no first request"


def test_counters_are_added_by_name_and_the_last_error_is_the_last_there_is() -> None:
    first = EngineTotals(counters={"a": 1, "b": 2}, last_error="early")
    assert (first + EngineTotals(counters={"b": 3})).counters == {"a": 1, "b": 5}
    assert (first + EngineTotals()).last_error == "early"
    assert (first + EngineTotals(last_error="late")).last_error == "late"


def test_nothing_adds_up_to_nothing() -> None:
    assert add_up([]) == EngineTotals()
    assert add_up([ONE]) == ONE


def test_each_engine_counts_with_its_own_seconds_and_processors() -> None:
    engines = [
        EngineTotals(first_admitted=100.0, last_committed=110.0, cpus=4),
        EngineTotals(first_admitted=105.0, last_committed=110.0, cpus=4),
        EngineTotals(cpus=4),
    ]
    assert engine_time(engines) == EngineTime(cpu_seconds=60.0, gpu_seconds=0.0)
    with_gpus = EngineTotals(first_admitted=100.0, last_committed=110.0, cpus=1, gpus=2)
    assert engine_time([with_gpus]) == EngineTime(cpu_seconds=10.0, gpu_seconds=20.0)
    assert engine_time([]) == EngineTime(0.0, 0.0)


def test_engines_are_idle_while_they_load_before_their_first_row_and_behind_their_last_one() -> None:
    first = EngineTotals(first_admitted=100.0, last_committed=110.0, cpus=4, gpus=2, began=70.0)
    late = replace(first, first_admitted=104.0, last_committed=109.0)
    assert idle_time([first]) == EngineTime(cpu_seconds=120.0, gpu_seconds=60.0), "30 s to load"
    assert idle_time([first, late]) == EngineTime(cpu_seconds=260.0, gpu_seconds=130.0)
    died, instead = replace(first, last_committed=103.0, ended=104.0), replace(first, first_admitted=106.0, began=105.0)
    assert idle_time([died, instead]) == EngineTime(cpu_seconds=128.0, gpu_seconds=64.0), "nobody held any in between"
    without_rows = EngineTotals(cpus=1, began=102.0)
    assert idle_time([first, without_rows]) == EngineTime(cpu_seconds=128.0, gpu_seconds=60.0)
    nothing = EngineTime(0.0, 0.0)
    assert idle_time([]) == idle_time([EngineTotals(cpus=4, began=70.0)]) == nothing, "no row tells until when"


def test_engines_that_go_for_good_hold_nothing_any_more() -> None:
    """Four engines of a generator, and then a single one of another, as a mix may have them; or three lost nodes."""
    engine = EngineTotals(first_admitted=1000.0, last_committed=1100.0, gpus=1, began=990.0)
    small = [replace(engine, ended=1100.0)] * 4
    large = replace(engine, first_admitted=1100.0, last_committed=2000.0, began=1100.0)
    assert idle_time([*small, large]) == EngineTime(0.0, 40.0), "while the four load"
    slow_to_load = replace(large, first_admitted=1130.0)
    assert idle_time([*small, slow_to_load]) == EngineTime(0.0, 70.0)
    stayed = [replace(engine, ended=2060.0)] * 3
    assert idle_time([*stayed, replace(engine, last_committed=2000.0)]) == EngineTime(0.0, 2740.0)


def test_idle_time_is_not_known_where_nobody_noted_since_when_engines_were_held() -> None:
    noted = replace(ONE, began=90.0)
    assert idle_time([noted, OTHER]) is None
    assert idle_time([noted]) == EngineTime(40.0, 0.0)


def test_an_engine_that_committed_nothing_costs_no_negative_time() -> None:
    assert engine_time([EngineTotals(first_admitted=100.0, cpus=4)]).cpu_seconds == 0.0


@pytest.mark.parametrize(
    ("counters", "rate"),
    [
        ({"prefix_cache_queries": 200, "prefix_cache_hits": 150}, 0.75),
        ({"prefix_cache_queries": 200}, 0.0),
        ({"prefix_cache_queries": 0, "prefix_cache_hits": 0}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_hit_rate_is_of_the_generators_counters(counters: dict[str, int], rate: float) -> None:
    assert hit_rate(EngineTotals(counters=counters)) == rate


def test_a_run_that_is_wrong_as_a_whole_is_stopped() -> None:
    totals = EngineTotals(generated=40, failed=60, last_error="no room")
    with pytest.raises(UserError, match=r"60 of 100 samples failed, the last with: no room") as caught:
        check_failures(0.5, totals)
    assert caught.value.where == "samples.max_failed_share=0.5"
    check_failures(0.6, totals)
    check_failures(0.1, EngineTotals(failed=49, last_error="early"))


def test_a_run_of_few_samples_can_be_wrong_as_a_whole() -> None:
    totals = EngineTotals(failed=2, last_error="no room")
    check_failures(0.5, totals)
    with pytest.raises(UserError, match="2 of 2 samples failed, the last with: no room"):
        check_failures(0.5, totals, at_least=1)


def test_what_a_task_turns_down_is_no_fault_unless_it_is_all() -> None:
    check_failures(0.5, EngineTotals(generated=10, failed=90, turned_down=85, last_error="x"))
    with pytest.raises(UserError, match="10 of 15 samples failed"):
        check_failures(0.5, EngineTotals(generated=5, failed=95, turned_down=85, last_error="x"), at_least=1)
    with pytest.raises(UserError, match="100 of 100 samples failed, the last with: keep_if"):
        check_failures(0.5, EngineTotals(failed=100, turned_down=100, last_error="keep_if"))
