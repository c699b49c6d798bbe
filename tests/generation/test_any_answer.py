"""Whatever a model writes becomes a row, generated or failed with a reason: nothing of it ends the engine's loop."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Finished, Request, Written
from engine.task.answers import storable
from engine.task.compiled import Prompts
from engine.task.config import ParserKind, TaskConfig, TurnConfig
from tests.support.answers import any_answer
from tests.support.loops import CONFIG, Start, row

RIGHT = {
    "word": "w",
    "count": 3,
    "share": 0.5,
    "sure": True,
    "tags": [{"a": 1}],
    "more": {"a": 1},
    "any": None,
    "few": 1,
}
TYPES = {
    "word": {"type": "string"},
    "count": {"type": "integer"},
    "share": {"type": "number"},
    "sure": {"type": "boolean"},
    "tags": {"type": "array"},
    "more": {"type": "object"},
    "any": {},
    "few": {"type": ["integer", "null"]},
}
SCHEMA = {"type": "object", "properties": TYPES}
TREE = {
    "properties": {"a": {"$ref": "#"}, "count": {"multipleOf": 0.5}, "tags": {"uniqueItems": True}},
    "items": {"$ref": "#"},
}

FORMS = {
    "text": TurnConfig("p"),
    "reasoned": TurnConfig("p", answer_after="Answer:"),
    "choice": TurnConfig("p", choice=["a", "b"]),
    "regex": TurnConfig("p", regex=r"(?P<year>\d{4})-(?P<month>\d\d)|(?P<rest>[\w ]*)"),
    "list": TurnConfig("p", parser=ParserKind.list),
    "python": TurnConfig("p", parser=ParserKind.python),
    "json": TurnConfig("p", parser=ParserKind.json),
    "schema": TurnConfig("p", json_schema=SCHEMA),
    "tree": TurnConfig("p", json_schema=TREE),
    "kept": TurnConfig("p", json_schema=SCHEMA, keep_if="field.sure"),
    "computed": TurnConfig("p", json_schema=SCHEMA, keep_if="(2 ** field.count) * (text * field.count) | length > 0"),
    "compared": TurnConfig("p", parser=ParserKind.json, keep_if="field.count > field.share and field.tags[0] | length"),
}
"""A turn of each form, and filters that compute with what a model wrote."""

LATER = {
    "shown": "{{ turns.a.text }} {{ turns.a.reasoning }}",
    "looped": "{% for tag in turns.a.tags %}{{ tag.a }}{% endfor %}{{ turns.a.word | upper }}",
    "computed": "{{ '*' * turns.a.count }}{{ turns.a.count ** turns.a.count }}{{ range(turns.a.few) | list }}",
    "written": "{{ turns.a | tojson }}{{ turns.a.more | pprint }}{{ '%c' | format(turns.a.few) }}",
    "cycled": "{{ cycler(*turns.a.tags).next() }}{{ turns.a.share | round | int }}",
}
"""What a later turn's template does with the answer."""


class Writing(FakeGenerator):
    """Writes given answers; the row's number stands in its prompt."""

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__(CONFIG)
        self._answers = answers

    def add(self, request: Request) -> str:
        return super().add(replace(request, prompt=str(request.prompt).rpartition("#")[2]))

    def _finish(self, request: Request, text: str) -> Finished:
        written = Written(self._answers[text], 5, -1.0, random.Random(text).choice(["stop", "length"]))
        return Finished(request.request_id, 1, 0, [written] * request.n)


def written_rows(start: Start, turns: dict[str, TurnConfig], answers: list[str]) -> list[dict[str, Any]]:
    """What the loop commits for a task where sample `i` is answered with `answers[i]` at each turn."""
    named = {name: replace(turn, prompt=f"{turn.prompt} #{{{{ passage.text }}}}") for name, turn in turns.items()}
    prompts = Prompts(TaskConfig(turns=named), [])
    running = start(generator=Writing({str(i): answer for i, answer in enumerate(answers)}), prompts=prompts)
    written = running.write([row(i, text=str(i)) for i in range(len(answers))])
    assert [r["sample_id"] for r in written] == list(range(len(answers))), "rows in are rows out"
    task = prompts.compile()
    for r in written:
        assert (r["status"], bool(r["error"])) in {("generated", False), ("failed", True)}
        assert len(r["error"].splitlines()) <= 1
        stored = task.stored_answers(r)
        assert stored.keys() <= turns.keys(), "what is stored can be read again"
        assert (stored.keys() == turns.keys()) == (r["status"] == "generated")
    totals = running.loop.totals()
    assert totals.generated + totals.failed == totals.committed == len(answers)
    return written


@pytest.mark.parametrize("form", FORMS)
def test_any_answer_is_a_row(start: Start, form: str) -> None:
    draw = random.Random(f"answers of {form}")
    answers = [any_answer(draw, RIGHT) for _ in range(300)]
    written = written_rows(start, {"a": FORMS[form]}, answers)
    statuses = Counter(r["status"] for r in written)
    assert min(statuses["generated"], statuses["failed"]) > 5, "answers of both kinds were tried"
    for r, answer in zip(written, answers, strict=True):
        if r["status"] == "failed":
            assert r["text"] == storable(answer), "what was written stands beside the reason"


@pytest.mark.parametrize("template", LATER)
def test_whatever_a_later_turn_makes_of_an_answer_is_a_row(start: Start, template: str) -> None:
    draw = random.Random(f"answers shown by {template}")
    turns = {"a": TurnConfig("p", json_schema=SCHEMA, answer_after="Answer:"), "b": TurnConfig(LATER[template])}
    answers = [f"Answer:{any_answer(draw, RIGHT)}" for _ in range(300)]
    written = written_rows(start, turns, answers)
    assert sum(r["status"] == "generated" for r in written) > 5, "the later turn was asked and answered"
    refused = [r for r in written if r["error"].startswith("turn b")]
    assert bool(refused) == (template != "shown")


@pytest.mark.parametrize(
    ("form", "answer", "reason"),
    [
        (
            "schema",
            '{"count": 9223372036854775808}',
            "the field 'count' is 9223372036854775808, which a column of int64",
        ),
        ("schema", '{"count": 1e300}', "the field 'count' is 1e.300, which a column of int64 cannot hold"),
        (
            "schema",
            '{"share": 1' + "0" * 400 + "}",
            "the field 'share' is 1000.*, which a column of double cannot hold",
        ),
        ("schema", '{"share": 1e999}', "no JSON: Out of range float values"),
        ("schema", '{"share": NaN}', "no JSON: Out of range float values"),
        ("schema", '{"share": true}', "JSON does not fit the schema: True is not of type 'number'"),
        ("schema", '{"count": ' + "9" * 5000 + "}", "no JSON: Exceeds the limit"),
        ("schema", r'{"word": "\ud800"}', r"no text: it holds half of a surrogate pair \(U\+D800\)"),
        ("schema", r'{"\ud800": 1}', r"no text: it holds half of a surrogate pair"),
        ("text", "a \udfff b", r"no text: it holds half of a surrogate pair \(U\+DFFF\)"),
        ("json", "[" * 100_000, "no JSON: more than 64 levels deep"),
        ("json", "[" * 65 + "]" * 65, "no JSON: more than 64 levels deep"),
        ("tree", '{"count": 1' + "0" * 400 + "}", "the schema cannot be applied to the JSON: int"),
        ("python", "-" * 9000 + "1", "the code does not compile: MemoryError"),
        ("kept", "{}", "keep_if cannot be computed: 'dict object' has no attribute 'sure'"),
        ("computed", '{"count": 1000000}', r"keep_if cannot be computed: the result of \*\* is too large"),
    ],
)
def test_an_answer_that_cannot_be_kept_has_its_reason(start: Start, form: str, answer: str, reason: str) -> None:
    [failed, _] = written_rows(start, {"a": FORMS[form], "z": TurnConfig("p")}, [answer, "{}"])
    assert re.match(f"turn a: {reason}", failed["error"]), failed["error"]
    assert failed["text"] == storable(answer)
    assert failed["turn_a"] is None


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ('{"count": 3.0, "share": 9007199254740993}', {"count": 3, "share": 2.0**53}),
        ('{"count": -9223372036854775808, "sure": true}', {"count": -(2**63), "sure": True}),
        (r'{"word": "\ud83d\udc1d \u0000"}', {"word": "\U0001f41d \0"}),
        ('{"more": {"a": 18446744073709551616}, "few": null}', {"more": '{"a": 18446744073709551616}', "few": None}),
        ('{"any": ' + "[" * 63 + "]" * 63 + "}", {"any": "[" * 63 + "]" * 63}),
        ('{"word": "' + "long " * 400_000 + '"}', {"word": "long " * 400_000}),
    ],
)
def test_an_odd_answer_that_fits_is_kept(start: Start, answer: str, fields: dict[str, object]) -> None:
    [written] = written_rows(start, {"a": FORMS["schema"]}, [answer])
    assert written["status"] == "generated", written["error"]
    assert {name: written[f"field_{name}"] for name in fields} == fields
    assert json.loads(written["text"]) == json.loads(answer)
