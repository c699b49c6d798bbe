"""The end of something waits a moment for a store, and no longer."""

from __future__ import annotations

import threading

import pytest

from engine.storage.remote import last_words
from engine.storage.remote.last_words import say_in_time


def test_what_is_said_in_time_is_done_and_what_it_raises_is_raised() -> None:
    said: list[str] = []
    assert say_in_time(lambda: said.append("goodbye"))
    assert said == ["goodbye"]
    with pytest.raises(ValueError, match="not in list"):
        say_in_time(lambda: said.remove("hello"))


def test_what_takes_too_long_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_words, "LAST_SECONDS", 0.05)
    answers, heard = threading.Event(), threading.Event()

    def ask() -> None:
        answers.wait()
        heard.set()
        raise ValueError("nobody is there to hear it")

    assert not say_in_time(ask)
    answers.set()
    assert heard.wait(10)
