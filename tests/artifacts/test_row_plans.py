"""Plans over rows: every row once or several times, in the order that is asked for; what cannot be asked is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts import row_plans
from engine.artifacts.columns import PROMPTS
from engine.artifacts.prompts import planned_rows
from engine.artifacts.rows import RowsFolder
from engine.artifacts.subjects import open_subjects
from engine.errors import UserError
from engine.models.tokenizer import load_tokenizer
from engine.task.config import AttributeConfig, PromptKind, TaskConfig, TurnConfig
from engine.task.turns import ONLY_TURN
from tests.support.rows import ABOUT_BODY, MODEL, write_plan, write_rows

IDS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def rows(tmp_path: Path) -> RowsFolder:
    bodies: list[object] = ["one", "two words", "three words here", "four", "five of them"]
    return write_rows(tmp_path / "rows", IDS, {"body": bodies, "n": [1, 2, None, 4, 5]})


def test_each_row_is_planned_as_often_as_asked(
    rows: RowsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_plans, "_CHUNK_ROWS", 4)
    prompts, record = write_plan(tmp_path / "p", rows, per_row=2)
    plan = prompts.plan()
    assert plan["sample_id"].to_pylist() == list(range(10))
    assert plan["passage_id"].to_pylist() == [name for name in IDS for _ in range(2)]
    assert plan["replicate"].to_pylist() == [0, 1] * 5
    assert [file.rows for file in prompts.plan_files()] == [4, 4, 2]
    tokenizer = load_tokenizer(MODEL, key="samples.model")
    texts = [f"About: {row['body']}\nNow:" for _, row in rows.rows()]
    counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts for _ in range(2)]
    assert plan["prompt_tokens"].to_pylist() == counts
    assert (record.planned, record.prefixes, record.prompt_tokens) == (10, 1, sum(counts))
    assert next(iter(prompts.stream())).schema.names == PROMPTS.names


def test_rows_go_in_the_order_that_is_asked_for(rows: RowsFolder, tmp_path: Path) -> None:
    seen: list[str] = []

    def backwards(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        whole = pa.concat_tables(list(tables))
        seen.extend(whole["prompt"].to_pylist())
        order = whole.take(list(reversed(range(whole.num_rows))))
        yield order.append_column("prefix", pa.array([0, 0, 1, 1, 1], pa.int64()))

    prompts, record = write_plan(tmp_path / "p", rows, order_rows=backwards)
    assert seen[1] == "About: two words\nNow:"
    assert prompts.plan()["passage_id"].to_pylist() == IDS[::-1]
    assert (prompts.plan()["prefix"].to_pylist(), record.prefixes) == ([0, 0, 1, 1, 1], 2)
    in_order = RowsFolder(prompts.path)
    assert [name for name, _ in in_order.rows()] == IDS[::-1], (
        "rows lie as they are asked, so that each piece is read once"
    )
    assert in_order.names() == ["body"], "of what no prompt reads there is no second copy"
    assert open_subjects({"rows": rows.path}, prompts).file == in_order.file
    assert [row.row for row in planned_rows(open_subjects({"rows": rows.path}, prompts).join(prompts.plan()))] == [
        {"body": body} for body in ("five of them", "four", "three words here", "two words", "one")
    ]


def test_a_template_that_leaves_row_out_is_told_how_columns_are_written(rows: RowsFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        write_plan(tmp_path / "p", rows, replace(ABOUT_BODY, prompt="About {{ boddy }}, {{ range(2) | list }}"))
    assert caught.value.what == "there is no 'boddy'"
    assert caught.value.remedy == "a template writes a column as row.NAME: did you mean 'body'? valid are: body, n"


@pytest.mark.parametrize(
    ("task", "what", "where"),
    [
        (replace(ABOUT_BODY, prompt="{{ row.boody }}"), "there is no column 'boody'", "task.prompt"),
        (replace(ABOUT_BODY, prompt="{{ row.n }}{{ body }}"), "there is no 'body'", "task.prompt"),
        (
            replace(ABOUT_BODY, prompt="{{ row.body }} {{ passage.text }}"),
            "row 1 (id a): there is no 'text'",
            "task.prompt",
        ),
        (
            replace(ABOUT_BODY, prompt="{{ row.n }}"),
            "row 3 (id c): the template cannot be rendered: row.n has",
            "task.prompt",
        ),
        (replace(ABOUT_BODY, prompt="{% if row.n %}x{% endif %}"), "row 3 (id c): the prompt is empty", "task"),
        (replace(ABOUT_BODY, attributes={"a": AttributeConfig(values=["x"])}), "have no conditions", "task.attributes"),
        (replace(ABOUT_BODY, demonstration="x"), "show no demonstrations", "task.demonstration"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_row(
    rows: RowsFolder, tmp_path: Path, task: TaskConfig, what: str, where: str
) -> None:
    with pytest.raises(UserError) as caught:
        write_plan(tmp_path / "p", rows, task)
    assert what in caught.value.what
    assert caught.value.where == where


def test_a_prompt_that_is_too_long_is_refused_or_fails_alone(rows: RowsFolder, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"row 3 \(id c\) has a prompt of 8 tokens, the context 8: 'About: three"
    ) as caught:
        write_plan(tmp_path / "p", rows, context_tokens=8)
    assert "prompts.refuse=false" in caught.value.remedy
    prompts, _ = write_plan(tmp_path / "q", rows, context_tokens=8, refuse=False)
    assert prompts.plan()["prompt_tokens"].to_pylist()[2] == 8
    prompts, _ = write_plan(tmp_path / "r", rows, replace(ABOUT_BODY, prompt="{{ row.n }}"), refuse=False)
    assert prompts.plan()["prompt_tokens"].to_pylist() == [1, 1, 0, 1, 1]


def test_a_column_may_hold_whole_chats(tmp_path: Path) -> None:
    chats: list[object] = [
        json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]),
        json.dumps([{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]),
    ]
    rows = write_rows(tmp_path / "rows", ["a", "b"], {"m": chats}, as_json={"m"})
    task = TaskConfig(turns={ONLY_TURN: TurnConfig(conversation="m", kind=PromptKind.chat)})
    prompts, _ = write_plan(tmp_path / "p", rows, task)
    first, second = prompts.plan()["prompt_tokens"].to_pylist()
    assert 10 < first < second, "the chat template adds its own system message to a chat that has none"


@pytest.mark.parametrize("turn", [TurnConfig(prompt="{{ row.body.a.b }}"), TurnConfig(prompt="x", keep_if="txt")])
def test_a_task_that_is_wrong_for_every_row_is_refused_though_rows_may_fail_alone(
    rows: RowsFolder, tmp_path: Path, turn: TurnConfig
) -> None:
    task = TaskConfig(turns={"last": replace(turn, kind=PromptKind.completion)})
    with pytest.raises(UserError, match="no row can be asked: there is no"):
        write_plan(tmp_path / "p", rows, task, refuse=False)


def test_the_tokens_of_later_turns_are_forecast_without_the_answers(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows", [str(n) for n in range(130)], {"body": ["bees dance"] * 130})
    turns = {
        "one": TurnConfig(prompt="{{ row.body }}"),
        "two": TurnConfig(prompt="{{ turns.one.text }} {{ row.body }}"),
    }
    _, record = write_plan(tmp_path / "p", rows, TaskConfig(turns=turns), per_row=2)
    tokenizer = load_tokenizer(MODEL, key="samples.model")
    first, second = (
        len(tokenizer.encode(text, add_special_tokens=False).ids) for text in ("bees dance", "x bees dance")
    )
    assert (record.prompt_tokens, record.later_prompt_tokens) == (260 * first, 260 * second)
