"""The life of a sample: which turns can be asked, what an answer opens, how a failure ends it, and its row."""

from __future__ import annotations

import math

import pytest

from engine.errors import BrokenInvariantError
from engine.generation.conversation import Conversation
from engine.generation.generator import Written
from engine.generation.jobs import Ticket
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig, TurnConfig
from engine.task.render import input_hash
from tests.support.loops import PROMPTS, row

TURNS = compile_task(
    TaskConfig(
        turns={
            "summary": TurnConfig("S {{ passage.text }}"),
            "rating": TurnConfig("R {{ passage.title }}", choice=["good", "bad"]),
            "review": TurnConfig("{{ turns.summary.text }} {{ turns.rating.text }}", keep_if="'no' not in text"),
        }
    )
)


def written(text: str, tokens: int = 5, finish_reason: str = "stop") -> Written:
    return Written(text, tokens, -0.5, finish_reason)


def begun() -> Conversation:
    """A conversation whose first two turns are open."""
    conversation = Conversation(row(7, text="words"), TURNS, Ticket(1))
    assert conversation.begin() == ["summary", "rating"]
    return conversation


def test_a_turn_is_opened_once_all_that_it_reads_is_answered() -> None:
    conversation = begun()
    assert conversation.begin() == [], "each turn is opened once"
    assert conversation.answered("summary", written("short")) == []
    assert conversation.answered("rating", written("good")) == ["review"]
    assert conversation.prompt("review") == "short good"
    assert not conversation.is_over
    assert conversation.answered("review", written("fine")) == []
    assert conversation.is_over
    assert not conversation.has_failed


def test_a_row_holds_the_plan_the_outcome_and_every_answer() -> None:
    conversation = begun()
    prompt = conversation.prompt("summary")
    conversation.asked("summary", prompt, "hash of summary")
    conversation.asked("rating", conversation.prompt("rating"), "hash of rating")
    conversation.paid(30, 20)
    conversation.answered("summary", written("short", 3, "length"))
    conversation.answered("rating", written("good", 1))
    conversation.paid(10, 0)
    conversation.answered("review", written("fine", 2))
    columns = conversation.columns()
    planned = row(7, text="words")
    assert (columns["sample_id"], columns["cell"], columns["condition_form"]) == (7, "form=question", "question")
    assert (columns["status"], columns["error"], columns["text"]) == ("generated", "", "fine")
    assert (columns["turn_summary"], columns["turn_rating"]) == ("short", "good")
    assert columns["prompt_hash"] == "hash of summary"
    assert columns["input_hash"] == input_hash(prompt, planned.passage, planned.cell)
    assert (columns["prompt_tokens"], columns["cached_tokens"], columns["output_tokens"]) == (40, 20, 6)
    assert (columns["logprob"], columns["finish_reason"]) == (-0.5, "length"), "cut off at any turn is cut off"
    assert (conversation.totals().generated, conversation.totals().output_tokens) == (1, 6)


def test_a_failed_turn_ends_the_sample_and_others_in_flight_are_waited_for() -> None:
    conversation = begun()
    assert conversation.answered("rating", written("great")) == []
    assert conversation.has_failed
    assert not conversation.is_over, "the other turn is in flight"
    assert conversation.answered("summary", written("short", 4)) == []
    assert conversation.is_over
    columns = conversation.columns()
    assert columns["error"].startswith("turn rating: 'great' is none of")
    assert (columns["status"], columns["text"]) == ("failed", "great"), "what was written stands beside the reason"
    assert columns["turn_summary"] is None, "what came after the failure was not read"
    assert columns["output_tokens"] == 9, "and its tokens count"


def test_a_turn_that_waits_when_another_fails_is_dropped() -> None:
    conversation = begun()
    conversation.refused("summary", "too long")
    conversation.drop()
    assert conversation.is_over
    columns = conversation.columns()
    assert (columns["error"], columns["text"], columns["prompt_hash"]) == ("turn summary: too long", "", "")
    assert math.isnan(columns["logprob"])


def test_the_first_failure_is_the_reason() -> None:
    conversation = begun()
    conversation.refused("summary", "first")
    conversation.refused("rating", "second")
    assert conversation.columns()["error"] == "turn summary: first"


def test_the_reason_of_a_task_of_one_turn_names_no_turn() -> None:
    conversation = Conversation(row(1), PROMPTS.compile(), Ticket(1))
    [turn] = conversation.begin()
    conversation.refused(turn, "too long")
    assert conversation.columns()["error"] == "too long"


def test_a_reason_is_one_short_line_that_can_be_stored() -> None:
    conversation = begun()
    conversation.refused("summary", "too\n  long \ud800 " + "word " * 1000)
    conversation.drop()
    error = conversation.columns()["error"]
    assert error.startswith("turn summary: too long \\ud800 word word")
    assert len(error) == len("turn summary: ") + 500


def test_a_text_that_cannot_be_stored_is_escaped_beside_its_reason() -> None:
    conversation = Conversation(row(1), PROMPTS.compile(), Ticket(1))
    [turn] = conversation.begin()
    conversation.answered(turn, written("half \ud83d a bee"))
    columns = conversation.columns()
    assert (columns["status"], columns["text"]) == ("failed", "half \\ud83d a bee")
    assert columns["error"] == "no text: it holds half of a surrogate pair (U+D83D), which is no character"


def test_what_a_filter_turns_down_is_told_apart() -> None:
    conversation = begun()
    conversation.answered("summary", written("short"))
    conversation.answered("rating", written("bad"))
    conversation.answered("review", written("no"))
    totals = conversation.totals()
    assert (totals.generated, totals.failed, totals.turned_down) == (0, 1, 1)
    assert "keep_if does not hold" in totals.last_error


def test_a_row_is_not_written_before_the_sample_is_over() -> None:
    with pytest.raises(BrokenInvariantError):
        begun().columns()
