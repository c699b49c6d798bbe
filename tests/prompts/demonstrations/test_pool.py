"""Demonstrations: every source, every mistake with its place, and sets that depend on the seed alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.prompts.demonstrations.config import BUNDLED, DemonstrationsConfig, Selection
from engine.prompts.demonstrations.pool import complete, load_pool, shorten, slips, strata, stratify
from engine.task.config import AttributeConfig, PromptKind, TaskConfig
from engine.task.render import Demonstration
from engine.task.turns import resolve_turns, shows_documents

ROWS = [
    {"document": " Bees make honey. ", "query": "who makes honey ", "form": "question"},
    {"document": "Ice floats.", "query": "ice float", "form": "keywords", "length": 3},
]
BOTH = {"form": AttributeConfig({"question": 3.0, "keywords": 1.0}, from_demonstrations=True)}


def config(path: Path | str = "", **changes: object) -> DemonstrationsConfig:
    return DemonstrationsConfig(path=str(path), **{"collection": "", "seed": 0, **changes})  # type: ignore[arg-type]


def write(file: Path, *rows: object) -> Path:
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return file


def test_reads_a_file_with_conditions(tmp_path: Path) -> None:
    pool = load_pool(config(write(tmp_path / "pool.jsonl", ROWS[0], "", ROWS[1], "  ")), {})
    assert pool == [
        Demonstration("Bees make honey.", "who makes honey", conditions={"form": "question"}),
        Demonstration("Ice floats.", "ice float", conditions={"form": "keywords", "length": "3"}),
    ]


def test_a_title_is_of_the_document_and_no_condition(tmp_path: Path) -> None:
    rows = [{"title": " Bees ", **ROWS[0]}, {"title": None, "tone": None, **ROWS[1]}]
    pool = load_pool(config(write(tmp_path / "pool.jsonl", *rows)), {})
    assert [d.title for d in pool] == ["Bees", ""]
    assert pool[0].conditions == {"form": "question"}
    assert pool[1].conditions == {"form": "keywords", "length": "3"}, "null is no value"


def test_a_line_ends_where_json_lines_end(tmp_path: Path) -> None:
    """Raw line separators of Unicode may stand in a JSON string."""
    row = json.dumps({"document": "one\u2028two\x85three", "query": "q"}, ensure_ascii=False)
    pool = load_pool(config(write(tmp_path / "pool.jsonl", row)), {})
    assert [d.document for d in pool] == ["one\u2028two\x85three"]


@pytest.mark.parametrize("name", ["", *BUNDLED])
def test_the_pools_that_ship_hold_both_forms(name: str) -> None:
    pool = load_pool(config(name), {})
    assert len(pool) >= 20
    assert {d.conditions["form"] for d in pool} >= {"question", "keywords"}
    assert all(d.title for d in pool), "questions are asked about a subject"
    assert strata(pool, BOTH) == ("form", ["question", "keywords"])


@pytest.mark.parametrize(
    ("rows", "line", "what"),
    [
        ([ROWS[0], '{"document": "x"'], 2, "malformed JSON"),
        ([ROWS[0], "", '"text"'], 3, "holds a JSON str, not an object"),
        (["[1]"], 1, "holds a JSON list, not an object"),
        ([{"document": "x"}], 1, "the row has no text in 'query'"),
        ([{"query": "x"}], 1, "the row has no text in 'document'"),
        ([{"document": "x", "query": " "}], 1, "the row has no text in 'query'"),
        ([ROWS[0], {"document": 5, "query": "x"}], 2, "the row has no text in 'document'"),
        ([{"document": "x", "query": None}], 1, "the row has no text in 'query'"),
        ([{"document": "a\ud800b", "query": "x"}], 1, "'document' holds half a surrogate pair"),
        ([{**ROWS[0], "\ud800": "x"}], 1, r"'\ud800' holds half a surrogate pair"),
        ([{**ROWS[0], "title": ["Bees"]}], 1, "'title' holds a JSON list, not text"),
        ([ROWS[0], {**ROWS[1], "tone": {"a": 1}}], 2, "'tone' holds a JSON dict, not text"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, rows: list[object], line: int, what: str) -> None:
    file = write(tmp_path / "pool.jsonl", *rows)
    with pytest.raises(UserError) as caught:
        load_pool(config(file), {})
    assert what in caught.value.what
    assert caught.value.where == f"{file}:{line}"


def test_a_document_is_wanted_where_prompts_show_it(tmp_path: Path) -> None:
    bare = config(write(tmp_path / "pool.jsonl", {"query": "My lamp blinks.", "area": "lamp"}))
    assert load_pool(bare, {}, with_documents=False) == [Demonstration("", "My lamp blinks.", "", {"area": "lamp"})]
    with pytest.raises(UserError, match="no text in 'document'"):
        load_pool(replace(bare, select=Selection.diverse), {}, with_documents=False)
    for template, shown in (
        ("{{ demonstration.query }}", False),
        ("{{ demonstration.document }}", True),
        ("{{ demonstration }}", True),
        ("", False),
    ):
        [turn] = resolve_turns(TaskConfig(prompt="x", demonstration=template)).values()
        assert shows_documents(turn) is shown
    [chat] = resolve_turns(TaskConfig(prompt="{{ passage.text }}", kind=PromptKind.chat)).values()
    assert shows_documents(chat), "its prompt shows them"


def test_slips_in_a_pool_are_told() -> None:
    pool = [
        Demonstration("", "one", conditions={"area": "lamp", "tones": "dry"}),
        Demonstration("", "two", conditions={"area": "lmp", "traits": "short, rude"}),
        Demonstration("", "three", conditions={"traits": "short, sweet", "source": "mail"}),
    ]
    possible = {"area": ["lamp", "app"], "tone": ["dry"], "traits": ["short", "rude"]}
    assert list(slips(pool, ["{{ condition.area }}: {{ demonstration.query }}", ""], possible)) == [
        "1 of 3 demonstrations have no 'area', which the template writes: it stays empty",
        "demonstrations have the field 'tones', which is no condition; did you mean 'tone'?",
        "demonstrations have area='lmp', which is never drawn",
        "demonstrations have traits='short, sweet', which is never drawn",
    ]
    assert list(slips(pool[:1], ["{{ demonstration.query }} {{ condition }}"], {"area": ["lamp"]})) == []


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_bytes(b'{"document": "caf\xe9", "query": "x"}')
    with pytest.raises(UserError, match="is not UTF-8: the byte is 0xe9"):
        load_pool(config(tmp_path / "pool.jsonl"), {})


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pool.jsonl").write_text(text)
    with pytest.raises(UserError, match="holds no demonstration") as caught:
        load_pool(config(tmp_path / "pool.jsonl"), {})
    assert caught.value.where == str(tmp_path / "pool.jsonl")


def test_judged_queries_are_completed_by_general_ones_of_other_forms() -> None:
    judged = [Demonstration(f"d{i}", f"q{i}", query_id=f"{i}") for i in range(3)]
    completed = complete(judged, BOTH)
    assert [replace(d, conditions={}) for d in completed[:3]] == judged
    assert {d.conditions["form"] for d in completed[:3]} == {"question"}
    assert {d.conditions["form"] for d in completed[3:]} == {"keywords"}
    assert not any(d.query_id for d in completed[3:])
    assert complete(judged, {}) == judged, "nothing chooses by demonstrations"
    other = {"tone": AttributeConfig({"kind": 1.0, "stern": 1.0}, from_demonstrations=True)}
    assert complete(judged, other) == judged, "the general set has no such form"


POOL = [Demonstration(f"d{i}", f"q{i}", conditions={"form": ("question", "keywords")[i % 2]}) for i in range(12)]


def test_conditions_that_nobody_carries_are_dropped() -> None:
    assert strata(POOL, {}) == ("", [""])
    assert strata(POOL, {"form": AttributeConfig({"x": 1.0})}) == ("", [""])
    assert strata(POOL, {"form": AttributeConfig({"claim": 1.0, "keywords": 2.0}, True)}) == ("form", ["keywords"])
    assert strata([Demonstration("d", "q")], BOTH) == ("form", [""])


@pytest.mark.parametrize("values", [{"claim": 1.0}, {"question": 0.0, "keywords": 0.0}, {}])
def test_a_grid_without_any_carried_value_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"demonstrations carry \['keywords', 'question'\]") as caught:
        strata(POOL, {"form": AttributeConfig(values, True)})
    assert caught.value.where == "task.attributes.form"


def test_demonstrations_are_chosen_by_one_condition() -> None:
    with pytest.raises(UserError, match="not by form and length") as caught:
        strata(POOL, BOTH | {"length": AttributeConfig({"short": 1.0}, True)})
    assert caught.value.where == "task.attributes.length.from_demonstrations"


def test_rows_of_each_value() -> None:
    rows = stratify(POOL, "form", ["question", "keywords"])
    assert [{POOL[row].conditions["form"] for row in group} for group in rows] == [{"question"}, {"keywords"}]
    assert stratify(POOL, "", [""]) == [list(range(len(POOL)))]


def test_long_documents_are_cut_at_a_token() -> None:
    demonstration = Demonstration("one two three", "q", query_id="7")
    ends = [3, 7, 13]
    assert shorten(demonstration, ends, 3) is demonstration
    assert shorten(demonstration, ends, 2) == replace(demonstration, document="one two ...")
    assert shorten(demonstration, [3, 4, 8], 2).document == "one ...", "space before the cut is dropped"
