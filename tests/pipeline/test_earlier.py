"""Results of an earlier config stay in a run folder until the new ones are made, beside what they were made from."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.pipeline.config import RunConfig
from engine.pipeline.earlier import EarlierResults
from engine.pipeline.steps import steps
from engine.run import run, wanted_steps
from engine.runtime.console import Console
from engine.runtime.step import Step
from engine.storage.remote.opening import open_sharing, runs_dir_here
from engine.storage.run_folders import EARLIER, link, read_earlier
from engine.storage.sharing import Sharing, Unshared
from engine.storage.store import NOUNS, StepRecord, Store, finish
from tests.support.object_store import Bucket
from tests.support.places import printed, quiet_place


def composed(corpus: Path, runs_dir: Path | str, *overrides: str) -> tuple[RunConfig, str]:
    """A run of which nothing needs to be made but by hand."""
    places = (f"collection={corpus}", f"runs_dir={runs_dir}", f"run_dir={runs_dir}/run", "tracking=off")
    return load_config(["experiment=adapt", "samples=fake", *places, *overrides])


def finish_all(store: Store, every: Sequence[Step], shared: Sharing | None = None) -> None:
    """Puts into the store what a run of these steps would have made, as far as links and records go."""
    for step in every:
        folder = store.folder(step.noun, step.fingerprint)
        if folder.exists():
            continue
        with shared.producing(folder, lambda: None) if shared else contextlib.nullcontext():
            folder.mkdir(parents=True)
            inputs = {source.key: source.fingerprint for source in step.inputs}
            finish(folder, StepRecord(step.noun, step.fingerprint, inputs, {}, 1.0, 1, {}))


def linked(run_dir: Path) -> dict[str, str]:
    """The fingerprint that each entry of a run folder leads to."""
    return {noun: (run_dir / noun).resolve().name for noun in NOUNS if (run_dir / noun).is_symlink()}


@pytest.mark.parametrize(
    ("change", "until", "kept"),
    [
        ("report.resamples=300", "system", ["report", "system"]),
        ("report.resamples=300", "report", ["report"]),
        ("report.resamples=300", "model", []),
        ("system.weight=0.5", "system", ["system"]),
        ("model.learning_rate=1e-4", "system", []),
        ("examples.filters.min_words=3", "system", []),
        ("prompts.per_passage=2", "system", []),
    ],
)
def test_what_stays_is_made_anew_and_of_what_stays(
    corpus: Path, tmp_path: Path, change: str, until: str, kept: list[str]
) -> None:
    first, second = (composed(corpus, tmp_path, *more)[0] for more in ((), (change, f"until={until}")))
    place = quiet_place(tmp_path)
    store, run_dir = Store(place.store_dir), tmp_path / "run"
    finish_all(store, steps(first))
    run_dir.mkdir()
    for step in steps(first):
        link(run_dir, step.entry, store.folder(step.noun, step.fingerprint))
    before = linked(run_dir)
    earlier = EarlierResults(run_dir, steps(second), wanted_steps(second), Unshared(tmp_path))
    assert earlier.kept == kept
    still = {step.entry: step.fingerprint for step in steps(second)}
    assert linked(run_dir) == {noun: made for noun, made in before.items() if noun in kept or still[noun] == made}, (
        "nothing else is of the earlier config"
    )
    assert set(kept) <= set(earlier.replaced), "what goes at once is replaced, too"


def test_a_system_goes_with_its_report_and_a_file_says_what_is_of_the_earlier_config(
    corpus: Path, tmp_path: Path
) -> None:
    first, second = (composed(corpus, tmp_path, *more)[0] for more in ((), ("report.resamples=300",)))
    store, run_dir = Store(tmp_path / "store"), tmp_path / "run"
    finish_all(store, steps(first))
    run_dir.mkdir()
    for step in steps(first):
        link(run_dir, step.entry, store.folder(step.noun, step.fingerprint))
    earlier = EarlierResults(run_dir, steps(second), wanted_steps(second), Unshared(tmp_path))
    assert read_earlier(run_dir) == ["report", "system"]
    model, report, system = steps(second)[-3:]
    assert not earlier.keeps(model)
    with earlier.making_way(report):
        assert "report" in linked(run_dir), "its link is replaced in one step"
        assert "system" not in linked(run_dir)
        assert not earlier.keeps(system)
        assert read_earlier(run_dir) == ["report"], "a kill leaves the old report, and a note that it is one"
        link(run_dir, "report", store.folder("report", report.fingerprint))
        assert read_earlier(run_dir) == [], "a kill leaves the new report, and a note on the old one"
        assert (run_dir / EARLIER).exists()
    assert earlier.replaced == ["report", "system"]
    assert not (run_dir / EARLIER).exists()


def test_what_was_made_on_another_machine_stays_too(
    bucket: Bucket, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.check_documents", lambda *_: None)  # no documents were read
    bucket.use_models()
    first, second = (composed(corpus, bucket.url, *more) for more in ((), ("report.resamples=300",)))
    shared = open_sharing(bucket.url)
    for config, _ in (first, second):
        finish_all(Store(shared.runs_dir / "store"), steps(config), shared)
    run_dir = run(*first, Watched(shared.runs_dir / "run"))
    old = linked(run_dir)
    assert set(old) == set(NOUNS)
    bucket.use_cache(tmp_path / "elsewhere")
    bucket.use_models()
    there = runs_dir_here(bucket.url) / "run"
    assert there != run_dir
    there.parent.mkdir(parents=True)
    again = Watched(there)
    assert run(*second, again) == there
    assert again.seen["report"] == old, "it is there until the new one is made"
    assert {noun for noun in NOUNS if old[noun] != linked(there)[noun]} == {"report", "system"}
    assert not read_earlier(there)


class Watched(Console):
    """A terminal that notes what the run folder leads to whenever a line is printed."""

    def __init__(self, run_dir: Path) -> None:
        place = quiet_place(run_dir.parent)
        super().__init__(place.console.rich)
        self._run_dir = run_dir
        self.seen: dict[str, dict[str, str]] = {}

    def step(self, noun: str, text: str) -> None:
        """Notes the links by the noun of the line."""
        self.seen[noun] = linked(self._run_dir)
        super().step(noun, text)


def test_a_run_keeps_its_report_until_the_new_one_and_says_so(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.check_documents", lambda *_: None)  # no documents were read
    monkeypatch.chdir(tmp_path)
    first, second = (composed(corpus, tmp_path, *more) for more in ((), ("report.resamples=300",)))
    for config, _ in (first, second):
        finish_all(Store(tmp_path / "store"), steps(config))
    quiet = Watched(tmp_path / "run")
    run(*first, quiet)
    old = linked(tmp_path / "run")
    assert set(old) == set(NOUNS)
    again = Watched(tmp_path / "run")
    run(*second, again)
    new = linked(tmp_path / "run")
    assert again.seen["report"] == old, "it is there until the new one is made"
    assert {noun for noun in NOUNS if old[noun] != new[noun]} == {"report", "system"}
    assert again.seen["system"] == {noun: made for noun, made in new.items() if noun != "system"}, (
        "no system is beside a report that it was not made from"
    )
    assert not read_earlier(tmp_path / "run")
    place = quiet_place(tmp_path)
    place.console.rich.file = again.rich.file
    said = printed(place)
    assert "run        run/report and run/system stay of the earlier config until they are made anew\n" in said
    last = (
        "replaced   run/report and run/system of an earlier config; with run_dir=ANOTHER_FOLDER the command keeps both"
    )
    assert said.splitlines()[-1] == last
    assert said.splitlines()[0] == "run        run; to look at it: synthmill status run"
