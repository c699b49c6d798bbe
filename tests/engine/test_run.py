"""Where a run lives and which steps it wants; the run itself is in tests/pipeline and test_crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from engine.command_line.compose import load_config
from engine.command_line.preview import preview
from engine.errors import UserError
from engine.pipeline.asked import asked_of_models
from engine.publishing.target import Target
from engine.rows.config import RowsConfig
from engine.run import _make, _start_engines_early, published_folders, run, run_folder, wanted_steps
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.runtime.tracking import NoTracker, Outcome, TrackingConfig
from engine.storage.in_use import while_no_driver_starts
from engine.storage.store import Store
from engine.watch.config import WatchConfig
from engine.watch.monitor import Monitor
from engine.watch.status import RunState, find_status
from engine.watch.tracked import TrackedResults
from tests.support.places import NoEngines, quiet_place


def test_a_run_is_named_after_experiment_and_collection(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus")
    config, _ = load_config(["experiment=adapt", f"documents.path={corpus}/corpus.jsonl", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus"), "a file gives its name without the ending"
    config, _ = load_config(["experiment=adapt", "documents.path=notes.v2/", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-notes.v2")
    config, _ = load_config(["experiment=demo"])
    assert run_folder(config) == Path("runs/demo").absolute()
    config, _ = load_config(["experiment=demo", "run_dir=/tmp/mine"])
    assert run_folder(config) == Path("/tmp/mine")


def test_until_names_the_last_step(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=samples"])
    assert [step.noun for step in wanted_steps(config)] == ["documents", "prompts", "samples"]
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=smaples"])
    with pytest.raises(UserError, match="no step is called 'smaples'") as caught:
        wanted_steps(config)
    assert "did you mean 'samples'" in caught.value.remedy


def test_what_a_report_has_models_asked_is_made_where_there_is_a_report(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "report.expand=rewrites"])
    made = {until: wanted_steps(replace(config, until=until)) for until in ("model", "report", "system")}
    asked = {until: [step.noun for step in steps if step.part_of] for until, steps in made.items()}
    assert config.until == "system"
    assert asked == {"model": [], "report": ["rows", "prompts", "samples"], "system": ["rows", "prompts", "samples"]}


def test_a_model_that_does_not_exist_is_refused_by_a_preview_too(corpus: Path) -> None:
    turns = 'task.turns={a:{prompt:"{{passage.text}}",model:judge}}'
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", 'task.prompt=""', turns])
    for until in ("prompts", "report"):
        with pytest.raises(UserError, match="there is no model 'judge'") as caught:
            wanted_steps(replace(config, until=until))
        assert caught.value.where == "task.turns.a.model"


class LookedAtError(Exception):
    """Ends a run where a test has seen enough."""


@pytest.mark.parametrize(("module", "start"), [("engine.run", run), ("engine.command_line.preview", preview)])
def test_whoever_makes_steps_says_first_which_so_that_clean_leaves_them(
    corpus: Path, tmp_path: Path, module: str, start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["experiment=adapt", f"collection={corpus}", f"runs_dir={tmp_path}", "tracking=off", "until=prompts"]
    config, text = load_config(overrides)

    def look(step: Step, store: Store, place: Place) -> Path:
        with while_no_driver_starts(store.root) as fingerprints:
            assert fingerprints == {step.fingerprint for step in wanted_steps(config)}
        raise LookedAtError(step, place)

    monkeypatch.setattr(f"{module}.make", look)
    with pytest.raises(LookedAtError):
        start(config, text) if start is run else start(config)
    with while_no_driver_starts(tmp_path / "store") as fingerprints:
        assert fingerprints == set()


def test_publishing_reads_the_model_the_report_and_the_search_that_is_asked_for(corpus: Path, tmp_path: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "samples=fake", "tracking=off"])
    chosen, store = wanted_steps(config), Store(tmp_path)
    assert set(published_folders(Target("me/x"), chosen, store)) == {"model", "report"}
    folders = published_folders(Target("me/x", with_system=True), chosen, store)
    assert set(folders) == {"model", "report", "system"}
    assert folders["model"] == store.folder("model", next(step.fingerprint for step in chosen if step.noun == "model"))


def test_batch_inference_is_a_shorter_way(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "x", "temperature": 0.5}\n')
    config, _ = load_config(["experiment=batch", f"prompts.path={prompts}", "runs_dir=/tmp/r"])
    assert [step.noun for step in wanted_steps(config)] == ["rows", "prompts", "samples", "output"]
    assert run_folder(config) == Path("/tmp/r/batch-p")
    with_report = replace(config, report=replace(config.report, expand="rewrites"))
    sizes = load_config(["experiment=chunk_size", "report.expand=rewrites"])[0]
    assert asked_of_models(sizes) == asked_of_models(with_report) == [], (
        "a preview promises nothing that a run without a report does not do"
    )
    assert [step.noun for step in wanted_steps(replace(config, until="samples"))] == ["rows", "prompts", "samples"]
    with pytest.raises(UserError, match="no step is called 'examples'"):
        wanted_steps(replace(config, until="examples"))


def test_prompts_are_named_and_stand_alone(corpus: Path) -> None:
    config, _ = load_config(["experiment=batch"])
    with pytest.raises(UserError, match="no file of prompts is named"):
        wanted_steps(config)
    config, _ = load_config(["experiment=batch", "prompts.path=p.jsonl", f"collection={corpus}"])
    with pytest.raises(UserError, match="is given beside documents"):
        wanted_steps(config)


def test_a_template_reads_columns_that_would_else_be_settings(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "x", "temperature": 25}\n')
    own, _ = load_config(["experiment=batch", f"prompts.path={prompts}", "task.prompt='It is {{ row.temperature }}.'"])
    none, _ = load_config(["experiment=batch", f"prompts.path={prompts}", "prompts.row_sampling=false"])
    plain, _ = load_config(["experiment=batch", f"prompts.path={prompts}"])
    names = [cast(RowsConfig, wanted_steps(config)[0].config).sampling for config in (own, none, plain)]
    assert ["temperature" in each for each in names] == [False, False, True]
    assert "top_p" in names[0]
    assert names[1] == ()


def test_no_engine_is_loaded_early_while_another_run_makes_what_comes_before(corpus: Path, tmp_path: Path) -> None:
    config, _ = load_config(["experiment=adapt", "samples=fake", f"collection={corpus}", "until=samples"])
    chosen, store, place = wanted_steps(config), Store(tmp_path / "store"), quiet_place(tmp_path)
    for step in chosen:
        with store.producing(store.folder(step.noun, step.fingerprint), keep=True):
            _start_engines_early(chosen, store, place)
    with pytest.raises(AssertionError, match="no engine is wanted here"):
        _start_engines_early(chosen, store, place)


def test_engines_that_start_early_draw_as_no_attempt_does(corpus: Path, tmp_path: Path) -> None:
    """Starts and attempts are counted apart: after kills the second start may meet what the second attempt drew."""
    config, _ = load_config(["experiment=adapt", "samples=fake", f"collection={corpus}", "until=samples"])
    chosen, store, salts = wanted_steps(config), Store(tmp_path / "store"), list[str]()

    class Noted(NoEngines):
        """Engines that only note how they would be seeded."""

        def start(self, config: Any, place: Any, salt: str = "") -> Any:
            salts.append(salt)

    for _ in range(3):
        _start_engines_early(chosen, store, replace(quiet_place(tmp_path), engines=Noted()))
    of_attempts = {f"{chosen[-1].fingerprint}/{attempt}" for attempt in (1, 2, 3)}
    assert len({*salts} | of_attempts) == 6


def test_a_run_says_that_it_has_finished_when_nothing_of_it_goes_on(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = (f"collection={corpus}", f"runs_dir={tmp_path}", f"run_dir={tmp_path / 'run'}")
    config, text = load_config(["experiment=adapt", "samples=fake", "until=documents", *places])
    states: list[RunState] = []

    class SlowTracker(NoTracker):
        def finish(self, outcome: Outcome = Outcome.finished) -> None:
            states.append(state())

    def state() -> RunState:
        status = find_status(str(tmp_path / "run"))[1]
        assert status
        return status.state

    monkeypatch.setattr("engine.run.make_tracker", lambda *_: SlowTracker())
    run(config, text)
    assert states[0] is RunState.running, "what is tracked is still being sent"
    assert state() is RunState.finished


def test_the_curve_of_a_part_is_not_that_of_the_run(tmp_path: Path) -> None:
    """The models of a learning curve, of stages and of teachers all train by the same code, which names no part."""
    nouns: list[str] = []

    @dataclass(frozen=True)
    class Numbered:
        number: int

    class Nouns(NoTracker):
        def log(self, noun: str, metrics: dict[str, float], step: int) -> None:
            nouns.append(noun)

    def train(config: Numbered, _inputs: object, _output: Path, place: Place) -> Numbered:
        place.tracker.log("model", {"loss": 1.5}, 1)
        return config

    parts = ("", "points/0.5-seed-1", "stage/reranker")
    steps = [Step("model", train, Numbered(number), part_of=part) for number, part in enumerate(parts)]
    place, config = quiet_place(tmp_path, Nouns()), cast(Any, None)
    monitor, results = Monitor(WatchConfig(), place, steps), TrackedResults(place, TrackingConfig())
    for step in steps:
        _make(step, config, place, monitor, steps, results=results)
    assert nouns == ["model", "points/0.5-seed-1/model", "stage/reranker/model"]
