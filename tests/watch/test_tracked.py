"""What a tracker is told of results: texts to read, and folders by fingerprint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import ExamplesRecord
from engine.errors import StoppedEarly, UserError
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.runtime.tracking import Finished, Mode, NoTracker, Outcome, TrackingConfig
from engine.storage.store import StepRecord, finish
from engine.watch.tracked import TrackedResults, track_result
from tests.support.committed import begin, commit
from tests.support.places import printed, quiet_place


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
        self.outcomes: list[Outcome] = []

    def finish(self, outcome: Outcome = Outcome.finished) -> None:
        self.outcomes.append(outcome)

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
    assert tables["examples/kept_table"] == (
        ["sample_id", "query", "reason", "logprob"],
        [[1, "a", "", None], [2, "b", "", -0.5]],
    )
    names, [first, _] = tables["examples/rejected_table"]
    assert dict(zip(names, first, strict=True))["reason"] == "copy"
    assert dict(zip(names, first, strict=True))["detail"] == "0.9"
    figures = {field.name for field in fields(ExamplesRecord)}
    assert not {name.removeprefix("examples/") for name in tables} & figures, "W&B keeps one value under a name"


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


class Starts:
    """Starts of one run, whose only step lies finished in the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.step = Step("model", do_nothing, NoConfig())
        self.file = folder / "run" / "tracking" / "told.json"
        self.made = folder / "model"
        self.made.mkdir()
        (folder / "run").mkdir()
        finish(self.made, StepRecord("model", self.step.fingerprint, {}, {}, 3.0, 0, {"steps": 7}))

    def start(
        self,
        *,
        is_new: bool = False,
        is_killed: bool = False,
        begins: bool = True,
        mode: Mode = Mode.offline,
        uri: str = "",
        notebook: Notebook | None = None,
    ) -> Notebook:
        """One start, which comes to the step before it begins, as a run does to its documents, and once more later."""
        notebook = notebook or Notebook()
        results = TrackedResults(quiet_place(self._folder, notebook), TrackingConfig(mode=mode, uri=uri))
        with contextlib.ExitStack() as closing:
            if not is_killed:
                closing.enter_context(results.until_closed())
            results.track(self.step, self.made, is_new=is_new)
            if begins:
                results.begin()
                results.track(self.step, self.made, is_new=False)
        return notebook

    def told_of(self) -> dict[str, dict[str, list[str]]]:
        """What the file says."""
        told: dict[str, dict[str, list[str]]] = json.loads(self.file.read_text())
        return told


def test_what_a_killed_start_told_of_is_told_again_until_a_start_closes_the_tracker(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    assert len(starts.start(is_new=True, is_killed=True).artifacts) == 1
    for _ in range(2):
        again = starts.start(is_killed=True)
        assert len(again.artifacts) == 1
        assert again.figures["model"]["steps"] == 7
        assert again.figures["model"]["fingerprint"] == starts.step.fingerprint
    assert len(starts.start().artifacts) == 1
    assert starts.start().artifacts == [], "the start before has closed the tracker"
    assert starts.told_of() == {"offline": {"model": [starts.step.fingerprint]}}
    assert len(starts.start(is_new=True).artifacts) == 1, "it was removed from the store, and made once more"
    assert starts.start().artifacts == []


def test_a_note_that_is_damaged_while_a_run_goes_on_ends_nothing(tmp_path: Path) -> None:
    starts, notebook = Starts(tmp_path), Notebook()
    starts.start()
    place = quiet_place(tmp_path, notebook)
    with TrackedResults(place, TrackingConfig(mode=Mode.online)).until_closed() as results:
        starts.file.write_text("[")
        results.begin()
        results.track(starts.step, starts.made, is_new=True)
    assert (notebook.outcomes, len(notebook.artifacts)) == ([Outcome.finished], 1)
    assert starts.file.read_text() == "["
    assert printed(place).count("what the tracker was told is not noted, and may be told again") == 1
    with pytest.raises(UserError, match="is damaged"):
        TrackedResults(place, TrackingConfig(mode=Mode.offline))


def test_a_start_that_is_killed_before_it_begins_leaves_what_it_made_to_the_next(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.start(is_new=True, is_killed=True, begins=False)
    assert not starts.file.parent.exists(), "nothing is written before the run has begun"
    again = starts.start()
    assert again.figures["model"]["steps"] == 7
    assert len(again.artifacts) == 1


def test_a_start_that_is_refused_before_it_begins_has_told_of_nothing(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.start(is_new=True, begins=False)
    assert not starts.file.parent.exists()
    assert len(starts.start().artifacts) == 1


def test_what_another_run_has_made_is_told_of_once(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    first = starts.start()
    assert first.figures["model"]["steps"] == 7
    assert len(first.artifacts) == 1
    assert starts.start().figures == {}


def test_another_server_is_told_of_everything_too(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    for uri in ("https://one.example", "https://two.example"):
        for number in (7, None):
            found = starts.start(mode=Mode.mlflow, uri=uri).figures.get("model", {})
            assert found.get("steps") == number, uri


def test_each_tracker_is_told_of_everything(tmp_path: Path) -> None:
    starts, made = Starts(tmp_path), Step("model", do_nothing, NoConfig()).fingerprint
    starts.start(is_new=True)
    assert starts.start(mode=Mode.off).figures == {}
    assert starts.told_of() == {"offline": {"model": [made]}}
    assert starts.start(mode=Mode.tensorboard).figures["model"]["steps"] == 7
    assert starts.told_of() == {"offline": {"model": [made]}, "tensorboard": {"model": [made]}}
    assert starts.start().figures == {}


def test_a_tracker_that_loses_nothing_with_a_kill_shows_nothing_twice(tmp_path: Path) -> None:
    starts, mode = Starts(tmp_path), Mode.mlflow
    starts.start(is_new=True, is_killed=True, begins=False, mode=mode)
    assert starts.start(is_killed=True, mode=mode).figures["model"]["steps"] == 7, "it had not begun"
    assert starts.start(is_killed=True, mode=mode).figures == {}


def test_what_a_tracker_was_told_that_failed_is_told_again(tmp_path: Path) -> None:
    starts, failed = Starts(tmp_path), Notebook()
    failed.has_failed = True
    starts.start(is_new=True, notebook=failed)
    assert not starts.file.exists()
    assert starts.start().figures["model"]["steps"] == 7


def test_a_folder_that_is_not_here_is_told_of_by_its_figures(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    (starts.made / "_DONE").unlink()  # as where it lies behind a URL, with its record
    told = starts.start()
    assert told.figures["model"]["steps"] == 7
    assert told.artifacts == []


def test_what_a_start_told_of_that_could_not_close_the_tracker_is_told_again(tmp_path: Path) -> None:
    class Interrupted(Notebook):
        def finish(self, outcome: Outcome = Outcome.finished) -> None:
            raise KeyboardInterrupt

    starts = Starts(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        starts.start(is_new=True, notebook=Interrupted())
    assert not starts.file.exists()
    assert len(starts.start().artifacts) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.finished),
        (StoppedEarly("the hour is over"), Outcome.out_of_time),
        (KeyboardInterrupt(), Outcome.interrupted),
        (UserError("is wrong", where="here", remedy="mend it"), Outcome.refused),
        (RuntimeError("a defect"), Outcome.failed),
    ],
)
def test_a_tracker_is_told_how_the_start_ended(tmp_path: Path, error: BaseException | None, outcome: Outcome) -> None:
    notebook = Notebook()
    results = TrackedResults(quiet_place(tmp_path, notebook), TrackingConfig())
    with contextlib.suppress(BaseException), results.until_closed():
        if error:
            raise error
    assert notebook.outcomes == [outcome]


class Configs:
    """Starts of one run folder with one config and another, whose steps all lie finished in the store."""

    def __init__(self, folder: Path, mode: Mode = Mode.offline) -> None:
        self._folder, self._mode = folder, mode
        self.shown: dict[str, Any] = {}
        """What the tracker shows: of each name the value that it was told last."""

    def start(self, *names: str, is_killed: bool = False, fails: bool = False) -> list[str]:
        """One start whose rounds make samples by these names; returns those that it tells of."""
        steps = [Step("samples", do_nothing, Named(name)) for name in names]
        notebook = Notebook()
        notebook.has_failed = fails
        results = TrackedResults(quiet_place(self._folder, notebook), TrackingConfig(mode=self._mode), steps)
        told = []
        with contextlib.ExitStack() as closing:
            if not is_killed:
                closing.enter_context(results.until_closed())
            results.begin()
            for name, step in zip(names, steps, strict=True):
                folder = self._folder / "store" / "samples" / step.fingerprint
                if not folder.exists():
                    begin(folder)
                    finish(folder, StepRecord("samples", step.fingerprint, {}, {}, 3.0, 0, {"name": name}))
                notebook.figures.clear()
                results.track(step, folder, is_new=False)
                told += [figures["name"] for figures in notebook.figures.values()]
                self.shown |= notebook.figures
        return told

    def shows(self) -> str:
        """Whose figures the tracker shows."""
        return str(self.shown["samples"]["name"])


@dataclass(frozen=True)
class Named:
    name: str


@pytest.mark.parametrize("mode", [Mode.offline, Mode.mlflow])
def test_who_goes_back_to_an_earlier_config_sees_its_figures_again(tmp_path: Path, mode: Mode) -> None:
    runs = Configs(tmp_path, mode)
    told = [runs.start(name) for name in ("a", "b", "a", "a")]
    assert told == [["a"], ["b"], ["a"], []]
    assert runs.shows() == "a"


@pytest.mark.parametrize("mode", [Mode.offline, Mode.mlflow])
def test_rounds_are_told_once_and_the_last_one_is_shown(tmp_path: Path, mode: Mode) -> None:
    runs = Configs(tmp_path, mode)
    assert [runs.start("a", "b", "c"), runs.start("a", "b", "c")] == [["a", "b", "c"], []]
    assert runs.start("a", "x") == ["x"]
    assert runs.start("a") == ["a"], "one round is what the tracker shows now"
    assert runs.start("a", "b", "c") == ["c"]
    assert runs.shows() == "c"


def test_a_start_that_is_killed_leaves_nobody_in_doubt_about_what_is_shown(tmp_path: Path) -> None:
    runs = Configs(tmp_path)
    runs.start("a")
    assert runs.start("b", is_killed=True) == ["b"]
    assert runs.start("a", fails=True) == ["a"], "the tracker may show b"
    assert [runs.start("a"), runs.start("a")] == [["a"], []]


def test_earlier_rounds_of_a_start_that_is_killed_are_told_again(tmp_path: Path) -> None:
    runs = Configs(tmp_path)
    assert runs.start("a", "b", is_killed=True) == ["a", "b"]
    assert runs.start("a", "b", "c", is_killed=True) == ["a", "b", "c"], "the tracker may have none of them"
    assert [runs.start("a", "b"), runs.start("a", "b")] == [["a", "b"], []]
    assert runs.start("a", "b", "c", is_killed=True) == ["c"]
    assert runs.start("b", "a", is_killed=True) == ["a"], "it has b for sure, and may show c"


def test_what_an_older_version_noted_is_told_once_more(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.file.parent.mkdir(parents=True)
    starts.file.write_text(json.dumps({"offline": [starts.step.fingerprint]}))
    assert [len(starts.start().artifacts), len(starts.start().artifacts)] == [1, 0]
