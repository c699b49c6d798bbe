"""Which inquiries may be sent: half a batch ahead, one of a cold prefix alone, what waited for an answer first."""

from __future__ import annotations

import pytest

from engine.generation import admission as admission_module
from engine.generation.admission import Admission
from engine.generation.conversation import Conversation, Inquiry
from engine.generation.jobs import Ticket
from tests.support.loops import PROMPTS, row

TASK = PROMPTS.compile()
TURN = next(iter(TASK.turns))


def inquiry(number: int, prefix: int = 0, tokens: int = 20, *, has_prefix: bool = True) -> Inquiry:
    planned = row(number, prefix=prefix, prompt_tokens=tokens)
    return Inquiry([Conversation(planned, TASK, Ticket(1))], TURN, has_prefix)


def send(admission: Admission) -> list[int]:
    """Sends all that may go; returns the samples."""
    numbers = []
    for each in admission.take():
        admission.sent(len(each.conversations))
        numbers.append(each.conversations[0].row.sample_id)
    return numbers


def test_half_a_batch_more_than_fits_is_sent() -> None:
    admission = Admission(4, 100)
    admission.add(inquiry(number, has_prefix=False) for number in range(10))
    assert send(admission) == [0, 1, 2, 3, 4, 5]
    assert len(admission) == 4
    admission.returned(2)
    assert send(admission) == [6, 7]


def test_one_inquiry_of_a_cold_prefix_goes_ahead() -> None:
    admission = Admission(8, 100)
    admission.add(inquiry(number, prefix=number % 2) for number in range(6))
    assert send(admission) == [0, 1]
    assert send(admission) == [], "the prefixes are not computed yet"
    admission.count_step()
    assert send(admission) == [2, 3, 4, 5], "in the order in which they came"


def test_a_long_prefix_is_waited_for_as_many_steps_as_it_takes() -> None:
    admission = Admission(8, 100)
    admission.add(inquiry(number, tokens=250) for number in range(3))
    assert send(admission) == [0]
    for _ in range(2):
        admission.count_step()
        assert send(admission) == []
    admission.count_step()
    assert send(admission) == [1, 2]


def test_nobody_waits_for_an_inquiry_that_is_gone() -> None:
    admission = Admission(8, 100)
    admission.add(inquiry(number, tokens=100_000) for number in range(3))
    assert send(admission) == [0]
    admission.returned(1)
    assert send(admission) == [1], "with nothing in flight no step would ever come"


def test_a_refused_inquiry_takes_no_room() -> None:
    admission = Admission(2, 100)
    admission.add(inquiry(number, has_prefix=False) for number in range(5))
    taken = [each.conversations[0].row.sample_id for each in admission.take()]
    assert taken == [0, 1, 2, 3, 4], "none was sent"


def test_what_waited_for_an_answer_goes_first() -> None:
    admission = Admission(2, 100)
    admission.add(inquiry(number, has_prefix=False) for number in range(2))
    admission.add_first([inquiry(8, has_prefix=False), inquiry(9, has_prefix=False)])
    assert send(admission) == [8, 9, 0]


def test_memory_does_not_grow_with_the_prefixes_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "_MOST_REMEMBERED", 10)
    admission = Admission(8, 100)
    for number in range(100):
        admission.add([inquiry(number, prefix=number), inquiry(100 + number, prefix=0)])
        while len(admission):
            admission.returned(len(send(admission)))
            admission.count_step()
    assert len(admission._warm_at) == 10
    assert (TURN, 0) in admission._warm_at, "a prefix that is asked for again and again stays known"
