"""Batch inference from a file to its answers, with the fake generator: every row once, and only new rows are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.output import OutputFolder
from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.pipeline.batch import batch
from engine.runtime.place import Place
from engine.runtime.step import make
from engine.storage.store import Store

TURNS = (
    'task.turns={label:{prompt:"Label {{ row.body }}:",choice:[good,bad]},'
    'why:{prompt:"Why is {{ row.body }} {{ turns.label.text }}?",keep_if:"row.body != \'c\'"}}'
)


def answers(place: Place, file: Path, *overrides: str) -> tuple[dict[str, dict[str, object]], int]:
    """The rows of the output by id, and how many requests engines were given for them."""
    config, _ = load_config(["experiment=batch", "samples=fake", f"prompts.path={file}", *overrides])
    made = {step.noun: make(step, Store(place.store_dir), place) for step in batch(config)}
    rows = pa.concat_tables(list(OutputFolder(made["output"]).stream())).to_pylist()
    return {row["row_id"]: row for row in rows}, SamplesFolder(made["samples"]).record().generation.requests


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"k": name, "body": name}) + "\n" for name in "abcd"))
    return tmp_path / "p.jsonl"


def test_a_task_of_turns_is_asked_about_every_row_and_about_new_ones_only(place: Place, bodies: Path) -> None:
    try:
        first, requests = answers(place, bodies, "prompts.id_field=k", TURNS)
        assert (list(first), requests) == (["a", "b", "c", "d"], 8)
        assert {name: bool(row["answer"]) for name, row in first.items()} == {
            "a": True,
            "b": True,
            "c": False,
            "d": True,
        }
        assert "keep_if" in str(first["c"]["error"]) or "turned down" in str(first["c"]["error"])
        assert {row["turn_label"] for row in first.values()} <= {"good", "bad"}
        lines = bodies.read_text().splitlines()
        bodies.write_text(
            "\n".join(['{"k": "new", "body": "n"}', lines[3], '{"k": "a", "body": "edited"}', *lines[1:3]])
        )
        again, requests = answers(place, bodies, "prompts.id_field=k", TURNS)
        assert (list(again), requests) == (["new", "d", "a", "b", "c"], 4), "one row is new and one edited"
        assert {name: row["answer"] for name, row in again.items() if name in "bcd"} == {
            name: row["answer"] for name, row in first.items() if name in "bcd"
        }
    finally:
        place.engines.stop()
