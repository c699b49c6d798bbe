"""One sample turn by turn: prompts as they were asked, answers as they came, reasons, and how it looks."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.rule import Rule

from engine.artifacts.prompts import PlannedRow
from engine.command_line.panels import (
    Exchange,
    conditions_line,
    facts,
    failed_turn,
    panels,
    planned_exchanges,
    written_exchanges,
)
from engine.task.compiled import Prompts, compile_task
from engine.task.config import ParserKind, ScoreKind, TaskConfig, TurnConfig
from tests.support.loops import CONFIG, Start, Watched

BEES = "Something worth asking about number {}, with several longer words."

SCHEMA = {
    "type": "object",
    "properties": {"stars": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
}
LAST = (
    "{{ turns.thought.reasoning }}: {{ turns.thought.text }} is {{ turns.rating.text }}, {{ turns.facts.tags[0] }}, "
    "{{ turns.facts.stars + 1 }}, {{ turns.points['items'] | length }} for {{ condition.form }}"
)
TASK = TaskConfig(
    turns={
        "thought": TurnConfig("P {{ passage.text }}\n", answer_after="is"),
        "facts": TurnConfig("F {{ passage.text }}\n", json_schema=SCHEMA),
        "rating": TurnConfig("R {{ passage.title }}", choice=["good", "bad"]),
        "points": TurnConfig("L {{ passage.text }}\n", parser=ParserKind.list),
        "last": TurnConfig(LAST),
    }
)


def row(sample_id: int, **fields: str) -> PlannedRow:
    planned = PlannedRow(
        sample_id=sample_id,
        passage_id=f"p{sample_id}",
        title=f"Title {sample_id}",
        text=BEES.format(sample_id),
        cell="form=question",
        conditions={"form": "question"},
        replicate=0,
        round=0,
        demonstration_set=0,
        demonstrations="",
        prefix=0,
        prompt_tokens=20,
    )
    return replace(planned, **fields)  # type: ignore[arg-type]


def rendered(shown: RenderableType) -> str:
    console = Console(width=60, record=True)
    console.print(shown)
    return console.export_text()


def test_prompts_are_shown_as_they_were_asked(start: Start) -> None:
    generator, prompts, rows = Watched(CONFIG), Prompts(TASK, []), [row(i) for i in range(3)]
    written = start(generator=generator, prompts=prompts).write(rows)
    asked = {request.prompt for request in generator.requests()}
    for given, sample in zip(rows, written, strict=True):
        shown = written_exchanges(prompts.compile(), given, sample)
        assert [one.turn for one in shown] == list(TASK.turns)
        assert {one.prompt for one in shown} <= asked
        assert shown[0].reasoning == "where"
        assert [one.answer for one in shown] == [*(sample[f"turn_{one.turn}"] for one in shown[:-1]), sample["text"]]
        assert not any(one.error for one in shown)


def test_a_sample_is_shown_up_to_the_turn_at_which_it_failed(start: Start) -> None:
    turns = {
        "a": TurnConfig("A {{ passage.text }}"),
        "b": TurnConfig("{{ 1 / (passage.title | length) }} {{ turns.a.text }}", keep_if="passage.title != 'odd'"),
        "c": TurnConfig("{{ turns.b.text }}"),
    }
    prompts, rows = Prompts(TaskConfig(turns=turns), []), [row(0), row(1, title=""), row(2, title="odd")]
    written = start(prompts=prompts).write(rows)
    one, unrendered, turned_down = (
        written_exchanges(prompts.compile(), given, sample) for given, sample in zip(rows, written, strict=True)
    )
    assert [shown.turn for shown in one] == ["a", "b", "c"]
    assert [shown.turn for shown in unrendered] == [shown.turn for shown in turned_down] == ["a", "b"]
    assert (unrendered[1].prompt, unrendered[1].answer) == ("", None)
    assert "division by zero" in unrendered[1].error
    assert turned_down[1].prompt.endswith(str(turned_down[0].answer))
    assert turned_down[1].answer == written[2]["text"], "what was written is shown beside the reason"
    text = rendered(panels(turned_down, rows[2])[1])
    assert "keep_if does not hold: passage.title != 'odd'" in text
    assert text.index("written ─") < text.index("failed ─")


def test_a_task_of_one_turn_says_why_it_failed(start: Start) -> None:
    prompts = Prompts(TaskConfig(prompt="{{ passage.text }}"), [])
    given = row(0, text="long " * 5000)
    [only] = written_exchanges(prompts.compile(), given, start(prompts=prompts).write([given])[0])
    assert (only.turn, only.answer) == ("", None)
    assert only.error.startswith("the prompt has 5000 tokens")


def test_the_turn_that_failed_is_named_in_the_error() -> None:
    task = compile_task(TASK)
    assert failed_turn(task, {"error": ""}) == ""
    assert failed_turn(task, {"error": "turn rating: turn facts: x"}) == "rating"
    named = compile_task(TaskConfig(turns={"a": TurnConfig("p"), "text": TurnConfig("q")}))
    assert failed_turn(named, {"error": "no JSON"}) == "text", "errors of a turn of this name are not introduced by it"


def test_a_plan_shows_stand_ins_for_what_is_not_written_yet() -> None:
    shown = planned_exchanges(compile_task(TASK), row(0))
    assert shown[-1].prompt == "(thought): (thought) is (rating), (, 2, 8 for question"
    assert {one.answer for one in shown} == {None}
    [only] = planned_exchanges(compile_task(TaskConfig(prompt="p")), row(0))
    assert only == Exchange("", "p")


def test_a_row_that_cannot_be_asked_is_shown_with_the_reason() -> None:
    task = compile_task(TaskConfig(turns={"a": TurnConfig("Hi {{ row.x }}"), "b": TurnConfig("{{ row.y }}")}))
    about = replace(row(0), row={"x": "you", "y": None})
    first, second = planned_exchanges(task, about)
    assert (first.prompt, second.prompt) == ("Hi you", "")
    assert "row.y has no value here" in second.error


def test_titles_are_whole_and_conditions_are_said_once() -> None:
    given = replace(row(7), passage_id="d7#2", conditions={f"attribute{i}": f"value {i}" for i in range(6)})
    shown = [Exchange("a", "[b]p[/b]", "so", "yes"), Exchange("b", "q", answer="")]
    first, second = (rendered(panel) for panel in panels(shown, given, conditions_line(given.conditions)))
    assert " turn a · sample 7 · d7#2 ─" in first
    assert " turn b · sample 7 · d7#2 ─" in second
    words = " ".join(first.replace("│", " ").split())
    assert "attribute0: value 0 · attribute1: value 1 · " in words
    assert "attribute5: value 5" in words, "a long line of conditions is wrapped, not cut"
    assert "attribute" not in second
    assert words.index("[b]p[/b]") < words.index("reasoning") < words.index("answer") < words.index("yes")
    assert "(nothing)" in second
    assert "─ sample 7 · d7#2 ─" in rendered(panels([replace(shown[0], turn="")], given)[0])


def test_no_conditions_take_no_line() -> None:
    assert conditions_line({}) == ""
    assert conditions_line({"form": ""}) == "form: (none)"


def test_facts_are_two_columns() -> None:
    text = rendered(facts("plan", {"a": 0, "[b]": "[i]x", "no": None, "nan": float("nan"), "e": "", "p": -1.23456}))
    rows = [line.strip("│ ").split() for line in text.splitlines()[1:-1]]
    assert rows == [["a", "0"], ["[b]", "[i]x"], ["p", "-1.235"]]


def test_a_scored_turn_shows_what_is_scored_and_the_scores(start: Start) -> None:
    turns = {
        "query": TurnConfig("P {{ passage.text }}"),
        "about": TurnConfig("{{ turns.query.text }}?", choice=[" yes", " no"], score=ScoreKind.sum),
        "likely": TurnConfig("P", continuation=" {{ turns.query.text }}", prompt_logprobs=True),
    }
    prompts = Prompts(TaskConfig(turns=turns), [])
    assert [shown.scored for shown in planned_exchanges(prompts.compile(), row(0))] == ["", " yes |  no", " (query)"]
    [sample] = start(prompts=prompts).write([row(0)])
    _, about, likely = written_exchanges(prompts.compile(), row(0), sample)
    assert about.answer in {"yes", "no"}
    assert about.scored == f"yes: {sample['score_about_yes']:.4g} · no: {sample['score_about_no']:.4g}"
    assert likely.scored.startswith(f"logprob: {sample['score_likely_logprob']:.4g} · tokens: ")
    assert likely.scored.endswith(" · prompt_logprobs: 1 tokens")
    assert "scored" in [str(part.title) for part in _rules(likely)]


def _rules(exchange: Exchange) -> list[Rule]:
    [panel] = panels([exchange], row(0))
    assert isinstance(panel.renderable, Group)
    return [part for part in panel.renderable.renderables if isinstance(part, Rule)]
