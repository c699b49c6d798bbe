"""A sweep is checked before anything runs: every key, both ends of every range, and what its points are judged by."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.run import wanted_steps
from engine.runtime.console import Console
from engine.storage.files import locked
from engine.storage.run_folders import link
from engine.sweeps.config import read_sweep
from engine.sweeps.journal import Journal, Progress, Tried
from engine.sweeps.search import make_search
from engine.sweeps.sweep import Checked, _identity, _left, _make_search, _say, _say_if_exhausted, _sorted, check, search
from engine.sweeps.trials import Trials
from tests.support.object_store import Bucket

GIVEN = ("experiment=adapt", "samples=fake", "until=model", "model.validation.every=2", "tracking=off")


def compose(overrides: Sequence[str]) -> RunConfig:
    """The config of a run, as the command line composes it."""
    return load_config(overrides)[0]


def checked(corpus: Path, said: dict[str, Any], *more: str) -> Checked:
    """A sweep over a collection, checked."""
    return check(read_sweep(said, "f.yaml", "rates"), [*GIVEN, f"collection={corpus}", *more], compose)


def test_what_points_are_given(corpus: Path, tmp_path: Path) -> None:
    sweep = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}, "stop": "asha"}, f"runs_dir={tmp_path}")
    assert sweep.metric == "validation"
    assert sweep.folder == tmp_path / "sweeps" / "rates"
    assert "tracking.group=rates" in sweep.arguments
    assert any(text.startswith("cluster.num_cpus=") for text in sweep.arguments), "points share the cores"
    alone = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}, "concurrency": 1})
    assert not any(text.startswith("cluster.num_cpus=") for text in alone.arguments)
    said = {"space": {"model.epochs": {"int": [1, 3]}}, "overrides": ["seed=1", "cluster.num_cpus=0"]}
    over = checked(corpus, said, "seed=2")
    assert [text for text in over.arguments if text.startswith("seed=")] == ["seed=2"], "the command line comes after"
    assert sum(text.startswith("cluster.num_cpus=") for text in over.arguments) == 1


@pytest.mark.parametrize(
    ("space", "more", "said"),
    [
        (
            {"model.lerning_rate": {"uniform": [0, 1]}},
            {},
            r"'model\.lerning_rate'; did you mean 'model\.learning_rate'",
        ),
        ({"model.epochs": {"int": [0, 3]}}, {}, r"model\.epochs=0"),
        (
            {"task": {"choice": ["queries", "querys"]}},
            {},
            r"^f\.yaml: space: task=querys: there is no task called 'querys'",
        ),
        ({"model.epochs": {"choice": ["many"]}}, {}, "'many' is not a whole number"),
        (
            {"experiment": {"choice": ["adapt", "batch"]}},
            {},
            "^experiment=adapt: the space of f.yaml has values of experiment too",
        ),
        (
            {"model.epochs": {"uniform": [1, 4]}},
            {},
            r"^f\.yaml: space: model\.epochs=1\.0: .* not a whole number; write int: ",
        ),
        (
            {"model.learning_rate": {"uniform": [-5, 1]}},
            {},
            r"^f\.yaml: space: model\.learning_rate=-5\.0: -5\.0 is out of",
        ),
        ({"model.epochs": {"int": [1, 3]}}, {"overrides": ["seed"]}, r"^f\.yaml: overrides: seed: is no override"),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["~seed=9"]},
            r"^f\.yaml: overrides: ~seed=9: Could not delete",
        ),
        ({"+model.epochs": {"int": [1, 3]}}, {}, r"^f\.yaml: space: \+model\.epochs=1: Could not append"),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["run_dir=x"]},
            r"^f\.yaml: overrides: run_dir: run_dir is set",
        ),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["model.epochs=7"]},
            r"^f\.yaml: overrides: model\.epochs=7: the space of f\.yaml has values of model\.epochs too",
        ),
        ({"until": {"choice": ["model"]}}, {}, r"^until=model: the space of f\.yaml has values of until too"),
        (
            {"model.validation.max_passages": {"choice": [100, 1000]}},
            {},
            r"^f\.yaml: space\.model\.validation\.max_passages: .*100 in one point and 1000 in another",
        ),
        ({"runs_dir": {"choice": ["a", "b"]}}, {}, r"^f\.yaml: space\.runs_dir: .*all points of a sweep have one"),
        (
            {"cluster.address": {"choice": ["local", "ray://h:1"]}},
            {},
            r"^f\.yaml: space: cluster\.address=ray://h:1: Ray Tune is not driven",
        ),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["publish=hub:me/it"]},
            r"^f\.yaml: overrides: publish=hub:me/it: every point would upload",
        ),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"metric": "model.steps"},
            "f.yaml: mode: nothing says whether model.steps",
        ),
        ({"model.epochs": {"int": [1, 3]}}, {"metric": "examples.keptt"}, "did you mean 'examples.kept'"),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"metric": "model.steps", "mode": "min", "stop": "median"},
            "median goes by validations",
        ),
        (
            {"cluster.address": {"choice": ["ray://h:1"]}},
            {"metric": "model.steps"},
            "Ray Tune is not driven from outside",
        ),
        ({"run_dir": {"choice": ["a", "b"]}}, {}, "run_dir is set by the sweep itself"),
        ({"samples.engine_args.hf_token": {"choice": ["a"]}}, {}, "hf_token is a secret"),
        (
            {"samples.engine_args": {"choice": [{"hf_token": "planted"}, {}]}},
            {},
            r"samples\.engine_args=\{hf_token:\s*'?\*\*\*'?\} holds a secret",
        ),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["samples.engine_args={hf_token: planted}"]},
            r"hf_token: \*\*\*\} holds a secret",
        ),
        (
            {"model.epochs": {"int": [1, 3]}},
            {"overrides": ["documents.path='https://h/?token=planted'"]},
            r"\?token=\*\*\*' holds a secret",
        ),
        ({"watch.metrics_port": {"choice": [0, 9400]}}, {"concurrency": 2}, "2 points at a time have one port"),
        ({"publish": {"choice": ["", "somewhere"]}}, {}, "publish=somewhere"),
    ],
)
def test_a_wrong_sweep_is_refused(corpus: Path, space: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        checked(corpus, {"space": space, **more})


def test_an_override_that_was_typed_is_blamed_as_such(corpus: Path) -> None:
    space = {"space": {"model.epochs": {"int": [1, 3]}}}
    for typed, said in (
        ("run_dir=x", "^run_dir: run_dir is set by the sweep itself"),
        ("model.epochs=7", "^model.epochs=7: the space of f.yaml has values of model.epochs too"),
        ("~seed=9", "^~seed=9: Could not delete"),
        (
            "runs_dir=s3://bucket/runs",
            "^runs_dir=s3://bucket/runs: points of a sweep .*; name a folder that all nodes see",
        ),
    ):
        with pytest.raises(UserError, match=said):
            checked(corpus, space, typed)


def test_keys_that_may_move_the_questions_are_told(corpus: Path, tmp_path: Path) -> None:
    """Also where development questions are named, and the metric does not go by them alone."""
    space = {"space": {"examples.filters.min_words": {"int": [1, 3]}, "language": {"choice": ["english", "none"]}}}
    of_test = ("model.validation.split=test", "model.validation.also_reported=true")
    for more, is_told in (
        ([], True),
        ([f"model.validation.judged={corpus}", "model.validation.queries=both", *of_test], True),
        ([f"model.validation.judged={corpus}", "model.validation.queries=judged", *of_test], False),
    ):
        sweep = checked(corpus, space, f"runs_dir={tmp_path}", *more)
        out = io.StringIO()
        _say(sweep, [], [], 3, Console(RichConsole(file=out, width=400)))
        assert ("may change which queries are held out" in out.getvalue()) is is_told


def test_a_search_that_was_killed_draws_other_points_than_it_had(tmp_path: Path) -> None:
    config = read_sweep({"space": {"seed": {"int": [0, 10**9]}}, "search": "random"}, "f.yaml", "rates")
    journal = Journal(tmp_path, {})
    first = [_make_search(config, journal, [], []).ask() for _ in range(2)]
    assert first[0] == first[1], "what is drawn follows from the seed"
    assert first[0] is not None
    journal.begin(first[0])  # and the sweep is killed before any point has ended
    assert _make_search(config, journal, [], journal.points).ask() != first[0]


def test_a_small_space_is_tried_once_and_then_no_more_is_left() -> None:
    config = read_sweep({"space": {"seed": {"int": [0, 3]}}, "points": 9}, "f.yaml", "rates")
    ended = [Tried(number, {"seed": seed}, Progress.finished, 0.5) for number, seed in ((1, 0), (2, 1), (3, 1))]
    assert _left(config, ended) == 2
    assert _left(config, [*ended, *(Tried(n, {"seed": n - 2}, Progress.stopped) for n in (4, 5))]) == 0
    assert _left(replace(config, points=3), ended) == 0
    endless = read_sweep({"space": {"model.warmup_share": {"uniform": [0, 0.1]}}, "points": 9}, "f.yaml", "rates")
    assert _left(endless, ended) == 6


def test_a_search_that_ends_early_says_so() -> None:
    space = {"space": {"model.warmup_share": {"uniform": [0.9, 1.0]}}, "points": 2000, "search": "random"}
    config = read_sweep(space, "f.yaml", "rates")
    values = [{"model.warmup_share": round(0.9 + step / 10_000, 4)} for step in range(1001)]
    tried = [Tried(number, one, Progress.finished, 0.5) for number, one in enumerate(values, 1)]
    for known, is_told in ((tried[:9], False), (tried, True)):
        out = io.StringIO()
        chooser = make_search(config.search, config.space, known, "0", planned=2000, low=False)
        chooser.ask()
        _say_if_exhausted(config, chooser, known, Console(RichConsole(file=out, width=400)))
        assert ("the search ends at 1001 of 2000 points: it found no settings" in out.getvalue()) is is_told


def test_a_collection_in_a_bucket_is_swept(bucket: Bucket, corpus: Path) -> None:
    for file in corpus.rglob("*"):
        if file.is_file():
            bucket.objects().upload(f"docs/{file.relative_to(corpus).as_posix()}", file)
    said = {"space": {"model.epochs": {"int": [1, 3]}}, "metric": "model.steps", "mode": "min"}
    sweep = check(read_sweep(said, "f.yaml", "rates"), [*GIVEN, f"collection={bucket.url}/docs"], compose)
    assert f"collection={bucket.url}/docs" in sweep.arguments, "points name the URL"


def test_a_sweep_that_another_process_works_on_is_refused(corpus: Path, tmp_path: Path) -> None:
    sweep = checked(corpus, {"space": {"model.epochs": {"int": [1, 3]}}}, f"runs_dir={tmp_path}")
    sweep.folder.mkdir(parents=True)
    with (
        locked(sweep.folder / ".lock", wait=False),
        pytest.raises(UserError, match="another synthmill is working on this sweep"),
    ):
        search(sweep, compose, Console(RichConsole(file=io.StringIO())))


def test_points_whose_training_would_be_another_are_run_again(corpus: Path, tmp_path: Path) -> None:
    """A point that was stopped is among them, and validations that are known of the other training are forgotten."""
    given = (*GIVEN, f"collection={corpus}", f"runs_dir={tmp_path / 'runs'}")
    trials = Trials(tmp_path, given, "validation")
    points = [Tried(n, {"model.epochs": n}, Progress.stopped, curve=[0.5]) for n in (1, 2)]
    points += [Tried(3, {"model.epochs": 3}, Progress.failed), Tried(4, {"model.epochs": 4})]
    for point in points:
        config = compose(trials.point(point).arguments)
        trained = next(step for step in wanted_steps(config) if step.noun == "model")
        folder = trained.fingerprint if point.number != 2 else "of-other-documents"
        trials.point(point).run_dir.mkdir()
        link(trials.point(point).run_dir, "model", tmp_path / "runs" / "store" / "model" / folder)
        trials.figures_file(point.number).touch()
    ended, waiting = _sorted(points, trials, compose)
    assert [point.number for point in ended] == [1]
    assert [point.number for point in waiting] == [2, 4, 3], "the one that failed stands last"
    known = [point.number for point in points if trials.figures_file(point.number).exists()]
    assert known == [1, 3, 4], "a training that goes on from a checkpoint tells no validation again"


def test_settings_that_an_older_journal_has_twice_take_the_place_of_no_others(corpus: Path, tmp_path: Path) -> None:
    """They were run again once for each of their points, and others of the space were left out of that start."""
    sweep = checked(
        corpus, {"space": {"model.epochs": {"choice": [1, 2]}}, "points": 2}, f"runs_dir={tmp_path / 'runs'}"
    )
    trials = Trials(sweep.folder, sweep.arguments, "validation")
    failed = [Tried(n, {"model.epochs": epochs}, Progress.failed) for n, epochs in ((1, 2), (2, 1), (3, 2))]
    points = [*failed, *(Tried(n, {"model.epochs": epochs}) for n, epochs in ((4, 1), (5, 2), (6, 2)))]
    ended, waiting = _sorted(points, trials, compose)
    assert ([point.number for point in ended], [point.number for point in waiting]) == ([], [4, 5])
    assert _left(sweep.config, ended) == 2
    for number in (4, 5):
        points[number - 1] = replace(points[number - 1], progress=Progress.stopped, curve=[0.5])
        _make_run(points[number - 1], trials, tmp_path)
    assert _sorted(points, trials, compose) == (points[3:5], [])
    journal = Journal(sweep.folder, _identity(sweep))
    for point in points:
        journal.put(point)
    found = search(sweep, compose, Console(RichConsole(file=io.StringIO())))
    assert [point.number for point in found] == [4, 5], "a failure that another point made good is none"


def _make_run(point: Tried, trials: Trials, tmp_path: Path) -> None:
    """Makes the run folder of a point whose training goes on."""
    trained = next(step for step in wanted_steps(compose(trials.point(point).arguments)) if step.noun == "model")
    trials.point(point).run_dir.mkdir(parents=True)
    link(trials.point(point).run_dir, "model", tmp_path / "runs" / "store" / "model" / trained.fingerprint)


def test_a_point_that_is_refused_now_stops_no_sweep(corpus: Path, tmp_path: Path) -> None:
    trials = Trials(tmp_path, (*GIVEN, f"collection={corpus}"), "validation")
    refused = Tried(1, {"model.epochs": 0}, Progress.failed, said="epochs is too small")
    assert _sorted([refused], trials, compose) == ([], [refused])
    with pytest.raises(UserError, match="epochs"):
        _sorted([Tried(1, {"model.epochs": 0}, Progress.finished)], trials, compose)
