"""Parts on their way: in their order, few at a time, tried again, and none lost for another's sake."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.generation import sending
from engine.generation.sending import MOST_SENT, PartSender
from tests.support.waiting import PATIENCE_SECONDS, wait_until


class Place:
    """Takes parts, but for those that it refuses so many times."""

    def __init__(self, **refusals: int) -> None:
        self.refusals, self.tries, self.taken = refusals, list[str](), list[str]()

    def take(self, part: Path) -> None:
        self.tries.append(part.name)
        if self.refusals.get(part.name, 0) > 0:
            self.refusals[part.name] -= 1
            raise UserError("is away", where=part.name, remedy="wait")
        self.taken.append(part.name)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_PAUSES_SECONDS", (0.0, 0.0))


def test_few_parts_are_on_their_way_and_arrive_in_their_order() -> None:
    is_back = threading.Event()
    place = Place()

    def take(part: Path) -> None:
        assert is_back.wait(PATIENCE_SECONDS)
        place.take(part)

    sender = PartSender(take)
    for number in range(MOST_SENT):
        assert not sender.is_full
        sender.send(Path(f"p{number}"), 10 + number)
    assert (sender.is_full, sender.num_sent, sender.arrived()) == (True, MOST_SENT, 0)
    is_back.set()
    assert [sender.arrived(wait=True) for _ in range(MOST_SENT + 1)] == [10, 11, 0]
    assert place.taken == ["p0", "p1"]
    assert not sender.is_full


def test_a_part_that_was_refused_is_tried_again_before_those_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(p0=2)
    sender = PartSender(place.take)
    sender.send(Path("p0"), 5)
    sender.send(Path("p1"), 6)
    assert [sender.arrived(wait=True), sender.arrived(wait=True)] == [5, 6]
    assert place.tries == ["p0", "p0", "p0", "p1"]
    assert capsys.readouterr().err.count("p0 is tried again in 0 s: p0: is away") == 2


def test_what_is_refused_for_good_is_told_once_all_behind_it_have_arrived() -> None:
    place = Place(p0=99)
    sender = PartSender(place.take)
    sender.send(Path("p0"), 5)
    sender.send(Path("p1"), 6)
    wait_until(lambda: place.taken == ["p1"], "the part behind has arrived")
    assert sender.arrived(wait=True) == 6
    assert sender.is_full, "no other part is taken"
    with pytest.raises(UserError, match="p0: is away"):
        sender.arrived()


def test_what_is_no_refusal_is_told_at_once() -> None:
    def fail(part: Path) -> None:
        raise FileNotFoundError(part)

    sender = PartSender(fail)
    sender.send(Path("p0"), 5)
    with pytest.raises(FileNotFoundError):
        sender.arrived(wait=True)
