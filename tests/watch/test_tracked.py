"""What a tracker is told of results: texts to read, and folders by fingerprint."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.runtime.tracking import Finished, Mode, NoTracker, TrackingConfig
from engine.storage.store import StepRecord, finish
from engine.watch.tracked import TrackedResults, track_result
from tests.support.committed import begin, commit
from tests.support.places import quiet_place


@dataclass(frozen=True)
class NoConfig:
    pass


def do_nothing(_config: NoConfig, _inputs: Mapping[str, Path], _output: Path, _place: Place) -> None:
    pass


class Notebook(NoTracker):
    """Keeps tables and artifacts."""

    def __init__(self) -> None:
        self.tables: dict[str, tuple[list[str], list[list[Any]]]] = {}
        self.artifacts: list[Finished] = []
        self.figures: dict[str, dict[str, Any]] = {}

    def summary(self, noun: str, values: dict[str, Any]) -> None:
        self.figures[noun] = values

    def table(self, noun: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.tables[f"{noun}/{name}"] = list(columns), [list(row) for row in rows]

    def artifact(self, finished: Finished) -> None:
        self.artifacts.append(finished)


def told(noun: str, folder: Path, *inputs: Step, part_of: str = "", **settings: Any) -> Notebook:
    notebook = Notebook()
    step = Step(noun, do_nothing, NoConfig(), inputs, part_of=part_of)
    track_result(step, folder, notebook, TrackingConfig(**settings))
    return notebook


def test_samples_are_a_table_with_rows_of_every_part(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    for number in range(3):
        commit(parts, range(100 * number, 100 * number + 100), number=number)
    columns, rows = told("samples", tmp_path, table_rows=9).tables["samples/table"]
    assert [row[columns.index("sample_id")] for row in rows] == [0, 1, 2, 100, 101, 102, 200, 201, 202]
    assert rows[0][columns.index("text")] == "text 0"
    assert {"status", "error", "condition_form"} <= {*columns}
    assert told("samples", tmp_path, table_rows=0).tables == {}
    assert told("samples", tmp_path, part_of="judge/relevance").tables == {}


def test_what_curation_keeps_and_rejects_are_tables_with_the_reasons(tmp_path: Path) -> None:
    columns = {"sample_id": [1, 2], "query": ["a", "b"], "logprob": [float("nan"), -0.5], "vector": [[1.0], [2.0]]}
    pq.write_table(pa.table({**columns, "reason": ["", ""]}), tmp_path / "kept.parquet")
    rejected = pa.table({**columns, "reason": ["copy", "length"], "detail": ["0.9", "1 word"]})
    pq.write_table(rejected, tmp_path / "rejected.parquet")
    tables = told("examples", tmp_path).tables
    assert tables["examples/kept"] == (
        ["sample_id", "query", "reason", "logprob"],
        [[1, "a", "", None], [2, "b", "", -0.5]],
    )
    names, [first, _] = tables["examples/rejected"]
    assert dict(zip(names, first, strict=True))["reason"] == "copy"
    assert dict(zip(names, first, strict=True))["detail"] == "0.9"


def test_an_empty_table_is_none(tmp_path: Path) -> None:
    for name in ("kept", "rejected"):
        pq.write_table(pa.table({"query": pa.array([], pa.string())}), tmp_path / f"{name}.parquet")
    assert told("examples", tmp_path).tables == {}


@pytest.mark.parametrize("noun", ["model", "report"])
def test_model_and_report_are_artifacts_with_their_lineage(tmp_path: Path, noun: str) -> None:
    examples = Step("examples", do_nothing, NoConfig())
    [finished] = told(noun, tmp_path, examples).artifacts
    assert (finished.entry, finished.folder, dict(finished.inputs)) == (
        noun,
        tmp_path,
        {"examples": examples.fingerprint},
    )
    assert told(noun, tmp_path, artifacts=False).artifacts == []
    assert told(noun, tmp_path, part_of="points/1").artifacts == []
    assert told("documents", tmp_path).artifacts == []


@pytest.mark.parametrize("noun", ["report", "chunk_sizes", "learning_curve", "stages"])
def test_whatever_a_kind_of_run_ends_with_is_an_artifact(noun: str, tmp_path: Path) -> None:
    assert [finished.entry for finished in told(noun, tmp_path).artifacts] == [noun]


def test_what_a_killed_start_told_of_is_told_again_until_a_start_closes_the_tracker(tmp_path: Path) -> None:
    folder, step = tmp_path / "model", Step("model", do_nothing, NoConfig())
    (tmp_path / "run").mkdir()
    folder.mkdir()
    finish(folder, StepRecord("model", step.fingerprint, {}, {}, 3.0, 0, {"steps": 7}))
    config = TrackingConfig()

    def start(*, is_new: bool = False, is_killed: bool = False, mode: TrackingConfig = config) -> Notebook:
        notebook = Notebook()
        results = TrackedResults(quiet_place(tmp_path, notebook), mode)
        with contextlib.ExitStack() as closing:
            if not is_killed:
                closing.enter_context(results.until_closed())
            results.begin()
            results.track(step, folder, is_new=is_new)
            results.track(step, folder, is_new=False)
        return notebook

    assert len(start(is_new=True, is_killed=True).artifacts) == 1
    for _ in range(2):
        again = start(is_killed=True)
        assert len(again.artifacts) == 1
        assert again.figures["model"]["steps"] == 7
        assert again.figures["model"]["fingerprint"] == step.fingerprint
    assert len(start().artifacts) == 1
    assert start().artifacts == [], "the start before has closed the tracker"
    assert list((tmp_path / "run" / "tracking").iterdir()) == []
    assert len(start(is_new=True).artifacts) == 1
    assert start().artifacts == []


def test_a_start_that_does_not_begin_leaves_what_was_lost(tmp_path: Path) -> None:
    file = tmp_path / "run" / "tracking" / "open.json"
    file.parent.mkdir(parents=True)
    file.write_text('["0123456789abcdef"]')
    with TrackedResults(quiet_place(tmp_path), TrackingConfig()).until_closed():
        pass
    assert file.read_text() == '["0123456789abcdef"]'
    with TrackedResults(quiet_place(tmp_path), TrackingConfig(mode=Mode.off)).until_closed() as results:
        results.begin()
    assert file.exists()


def test_what_a_start_told_of_that_could_not_close_the_tracker_is_told_again(tmp_path: Path) -> None:
    class Interrupted(Notebook):
        def finish(self) -> None:
            raise KeyboardInterrupt

    folder, step = tmp_path / "model", Step("model", do_nothing, NoConfig())
    (tmp_path / "run").mkdir()
    results = TrackedResults(quiet_place(tmp_path, Interrupted()), TrackingConfig())

    def start() -> None:
        with results.until_closed():
            results.begin()
            results.track(step, folder, is_new=True)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert step.fingerprint in (tmp_path / "run" / "tracking" / "open.json").read_text()
