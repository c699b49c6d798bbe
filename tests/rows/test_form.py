"""What rows ask themselves: a text, a text with a system message, or a chat; a task of its own stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UserError
from engine.rows.form import first_names, leaves_open, sampling_columns, with_prompt
from engine.rows.source import find_source
from engine.task.config import PromptKind, TaskConfig


def asked(folder: Path, **row: object) -> TaskConfig:
    (folder / "p.jsonl").write_text(json.dumps(row) + "\n")
    return with_prompt(TaskConfig(name="rows"), find_source(str(folder / "p.jsonl")))


def test_of_several_files_the_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no table")
    with pytest.raises(UserError, match=r"b\.parquet: cannot be read"):
        first_names(find_source(str(tmp_path)))


def test_columns_say_what_is_asked(tmp_path: Path) -> None:
    assert asked(tmp_path, prompt="x").prompt == "{{ row.prompt }}"
    [chat] = asked(tmp_path, messages=[]).turns.values()
    assert (chat.conversation, chat.kind) == ("messages", PromptKind.chat)
    [system] = asked(tmp_path, prompt="x", system="y").turns.values()
    assert [message["role"] for message in system.messages] == ["system", "user"]


def test_rows_without_a_prompt_are_refused_with_their_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column 'prompt' and none 'messages'") as caught:
        asked(tmp_path, id=1, body="x")
    assert "task.prompt='... {{ row.body }}'" in caught.value.remedy
    (tmp_path / "p.jsonl").write_text("\n")
    with pytest.raises(UserError, match="holds no rows"):
        with_prompt(TaskConfig(), find_source(str(tmp_path / "p.jsonl")))


def test_a_task_of_its_own_stays_and_its_columns_are_data(tmp_path: Path) -> None:
    task = TaskConfig(prompt="{{ row.city }} has {{ row.temperature }} degrees")
    assert not leaves_open(task)
    (tmp_path / "t.txt").write_text("text")
    assert with_prompt(task, find_source(str(tmp_path))) is task
    assert "temperature" not in sampling_columns(task)
    assert "max_tokens" in sampling_columns(task)
    assert sampling_columns(TaskConfig(prompt="{{ row }}")) == ()
