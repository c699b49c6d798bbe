"""The best point as an experiment: composed by its path, it has the settings of the point."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.command_line.compose import load_config
from engine.command_line.groups import CONF, groups
from engine.sweeps.best import write_best
from engine.sweeps.written import as_override


def test_the_experiment_has_the_settings_of_the_point(corpus: Path, tmp_path: Path) -> None:
    given = ["experiment=adapt", "samples=fake", f"collection={corpus}", "until=model", "tracking=off", "run_dir=x"]
    found = ["model.learning_rate=3.1e-05", "task=fiqa", "model.epochs=2", "model.epochs=3"]
    file = tmp_path / "best.yaml"
    write_best(file, [*given, *found], groups(), "point 3 of rates: validation 0.5")
    lines = file.read_text().splitlines()
    assert lines[:3] == [
        "# @package _global_",
        f"# synthmill experiment={file}",
        "# point 3 of rates: validation 0.5",
    ]
    best, _ = load_config([f"experiment={file}"])
    point, _ = load_config([*given, *found])
    assert best.model == point.model
    assert (best.model.learning_rate, best.model.epochs) == (3.1e-05, 3)
    assert (best.samples, best.task, best.collection) == (point.samples, point.task, point.collection)
    assert (best.name, best.prompts.per_passage) == ("adapt", 3), "what experiment=adapt says"
    assert (best.until, best.run_dir, best.tracking) == ("system", "", load_config([])[0].tracking), (
        "those are of a run"
    )


def test_a_file_that_a_group_was_chosen_by_stands_in_the_command(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    write_best(file, ["task=mine/own.yaml", "model.epochs=2"], groups(), "x")
    assert file.read_text().splitlines()[1] == f"# synthmill experiment={file} task=mine/own.yaml"
    assert load_config([f"experiment={file}"])[0].model.epochs == 2


def test_the_command_can_be_pasted_into_a_shell(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    (folder / "my task.yaml").write_text((CONF / "task" / "trec_covid.yaml").read_text())
    given = [f"collection={corpus}", as_override("task", str(folder / "my task.yaml")), "~samples.engine_args.x"]
    command = write_best(folder / "best.yaml", [*given, "model.epochs=2"], groups(), "x")
    text = (folder / "best.yaml").read_text()
    assert text.splitlines()[1] == f"# {command}"
    assert "engine_args" not in text.splitlines()[3], "what is taken away has no value"
    program, *arguments = shlex.split(command)
    assert (program, arguments.pop()) == ("synthmill", "~samples.engine_args.x")
    best, _ = load_config(arguments)
    assert (best.task.name, best.model.epochs) == ("trec_covid", 2)


def test_an_experiment_of_the_users_own_is_taken_in(tmp_path: Path) -> None:
    mine, file = tmp_path / "mine.yaml", tmp_path / "best.yaml"
    mine.write_text("# @package _global_\ndefaults: [adapt, _self_]\nseed: 5\nmodel: {epochs: 7}\n")
    write_best(file, [f"experiment={mine}", "model.learning_rate=3e-5"], groups(), "x")
    best, _ = load_config([f"experiment={file}"])
    assert (best.name, best.seed, best.model.epochs, best.model.learning_rate) == ("adapt", 5, 7, 3e-5)


def test_what_the_user_named_is_written_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    given = ["+task.attributes.credentials.values={shared password: 1, one-time code: 2}"]
    write_best(file, [*given, "+task.attributes.password.values=[weak one,strong one]"], groups(), "x")
    assert "***" not in file.read_text()
    assert "strong one" in file.read_text()
