"""Results that nobody reads go with `clean`; those that a run uses, or will when it goes on, stay."""

from pathlib import Path

import pytest

from engine.command_line.clean import Options, clean
from engine.command_line.followed_results import find_followed, remove_followed
from engine.examples.config import ExamplesConfig
from engine.examples.following.holding import using_results
from engine.examples.following.results import begin_results
from engine.storage.store import StepRecord, Store, finish

CONFIG = ExamplesConfig(seed=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def results_about(store: Store, name: str) -> Path:
    """Two megabytes of results about a samples folder that is not finished."""
    results = begin_results(store.root, store.reserve("samples", name), CONFIG)
    results.mkdir()
    (results / "rows-000000.parquet").write_bytes(b"x" * 2_000_000)
    return results


def finish_samples(store: Store, name: str) -> Path:
    folder = store.folder("samples", name)
    finish(folder, StepRecord("samples", name, {}, {}, 0.0, 0, {}))
    return folder


def curate(store: Store, name: str) -> Path:
    """Finished examples of such samples."""
    folder = store.reserve("examples", f"of-{name}")
    finish(folder, StepRecord("examples", folder.name, {"samples": name}, {}, 0.0, 0, {}))
    return folder


def test_what_a_run_uses_or_goes_on_from_stays(store: Store) -> None:
    unfinished, made, gone, running = (results_about(store, name) for name in ("half", "made", "gone", "running"))
    staying = [finish_samples(store, "made"), finish_samples(store, "running"), store.folder("samples", "half")]
    assert find_followed(store, staying, ()) == [gone], "no examples are made of the others yet"
    staying += [curate(store, "made"), curate(store, "running"), store.reserve("examples", "begun")]
    assert find_followed(store, staying, {"running"}) == [gone, made]
    assert find_followed(store, staying, ()) == [gone, made, running]
    assert find_followed(store, [*staying[:2], *staying[3:]], ()) == [gone, unfinished, made, running], (
        "its samples go as well"
    )
    with using_results(made):
        assert find_followed(store, staying, {"running"}) == [gone]
        assert remove_followed([gone, made]) == [gone], "it was found before somebody began to read it"
    assert made.exists()
    assert not gone.exists()


def test_a_run_that_was_killed_between_samples_and_examples_finds_its_results(store: Store) -> None:
    """Such as while a judge was asked about the samples."""
    results, run = results_about(store, "made"), store.root.parent / "killed"
    samples = finish_samples(store, "made")
    run.mkdir()
    (run / "run.json").touch()
    (run / "samples").symlink_to(samples)
    assert clean(Options(str(store.root.parent), yes=True)) == 0
    assert results.exists()
    (run / "examples").symlink_to(curate(store, "made"))
    assert clean(Options(str(store.root.parent), yes=True)) == 0
    assert samples.exists()
    assert not results.exists(), "they were read"


def test_clean_says_how_large_they_are_and_removes_them(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    results = results_about(store, "made")
    finish_samples(store, "made")
    with using_results(results):
        assert clean(Options(str(store.root.parent), yes=True)) == 0
    assert "curation" not in capsys.readouterr().out
    assert results.exists(), "a living run uses it"
    results = results_about(store, "again")
    finish_samples(store, "again")
    assert clean(Options(str(store.root.parent), yes=True)) == 0
    shown = capsys.readouterr().out
    assert f"{results.relative_to(store.root)}         2.0 MB  begun curation" in shown
    assert "removed 2 beginnings of curation, worked out beside generation, 4.0 MB" in shown, (
        "nobody uses the first now"
    )
    assert not results.exists()
