"""What trackers have in common: order, threads, and that a run which was refused is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.trackers.lazy import LazyTracker
from engine.runtime.tracking import Finished, Outcome, TrackingConfig


class Notebook(LazyTracker):
    """Writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        super().__init__(TrackingConfig(), folder, {"api_key": "planted-key"}, self.warnings.append)
        self.told: list[object] = []

    def _open(self) -> None:
        self.told.append("open")

    def _log(self, point: dict[str, float], noun: str, step: int) -> None:
        self.told.append((noun, point, step))

    def _summary(self, values: dict[str, Any]) -> None:
        self.told.append(values)

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.told.append((name, columns, rows))

    def _artifact(self, finished: Finished) -> None:
        self.told.append(finished.name)

    def _close(self, outcome: Outcome) -> None:
        self.told.append(f"close: {outcome.name}")


def test_what_is_told_before_the_run_begins_waits_and_keeps_its_order(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path)
    notebook.summary("documents", {"a": {"b": 1}})
    notebook.log("model", {"loss": 0.5}, 3)
    assert notebook.told == []
    notebook.begin()
    notebook.artifact(Finished("model", tmp_path, "f1", {}))
    notebook.table("samples", "table", ["text"], [["x"]])
    notebook.finish()
    notebook.finish()
    notebook.log("samples", {"done": 1.0}, 1)  # a thread that watches the run may be late
    assert notebook.told == [
        "open",
        {"documents/a.b": 1},
        ("model", {"model/loss": 0.5}, 3),
        "model-f1",
        ("samples/table", ["text"], [["x"]]),
        "close: finished",
    ]
    assert notebook.run_config == {"api_key": "***"}


def test_an_opening_that_is_cut_off_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(tmp_path)
    notebook.summary("documents", {"a": 1})
    monkeypatch.setattr(notebook, "_open", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        notebook.begin()
    notebook.finish()
    assert notebook.told == []


def fail(*_: object) -> None:
    raise ConnectionError("https://me:planted-secret@server\nis away")


def test_a_tracker_that_fails_ends_no_run_and_is_told_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(tmp_path)
    notebook.begin()
    notebook.log("model", {"loss": 0.5}, 1)
    assert not notebook.has_failed
    monkeypatch.setattr(notebook, "_log", fail)
    for step in (2, 3):
        notebook.log("model", {"loss": 0.5}, step)
    notebook.summary("model", {"seconds": 1})
    notebook.finish()
    assert notebook.has_failed
    assert notebook.told == ["open", ("model", {"model/loss": 0.5}, 1), "close: finished"]
    notebook.finish()
    assert notebook.warnings == [
        "tracking=offline: nothing more is tracked: ConnectionError: https://***@server is away",
        "tracking=offline is incomplete: ConnectionError: https://***@server is away",
    ]


def test_a_tracker_that_cannot_be_closed_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(tmp_path)
    notebook.begin()
    notebook.summary("model", {"seconds": 1})
    monkeypatch.setattr(notebook, "_close", fail)
    notebook.finish()
    assert len(notebook.warnings) == 1
    assert notebook.has_failed, "what it has not sent yet may be lost"


def test_a_tracker_that_cannot_be_opened_is_refused_when_the_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(tmp_path)
    notebook.summary("documents", {"passages": 1})
    monkeypatch.setattr(notebook, "_open", fail)
    with pytest.raises(UserError, match=r"nothing can be tracked \(ConnectionError: https://\*\*\*@server") as caught:
        notebook.begin()
    assert caught.value.where == "tracking=offline"
    notebook.finish()


def test_threads_take_turns_and_it_is_opened_once(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path)
    notebook.begin()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda step: notebook.log("samples", {"done": step}, step), range(200)))
    assert notebook.told.count("open") == 1
    assert len(notebook.told) == 201


def test_an_id_is_made_once_for_a_run_folder(tmp_path: Path) -> None:
    notebook, ids = Notebook(tmp_path), iter(["first", "second"])
    notebook.begin()
    notebook.summary("documents", {})
    assert [notebook.kept_id("id", lambda: next(ids)) for _ in range(2)] == ["first", "first"]
    assert Notebook(tmp_path).kept_id("id", lambda: next(ids)) == "first"
