"""`synthmill sweep=FILE` and `-m hydra/launcher=ray`: points in processes of their own, told and found again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from engine.command_line.compose import load_config
from engine.command_line.groups import CONF
from engine.command_line.main import main
from engine.command_line.sweep import _show, sweep
from engine.errors import UserError
from engine.runtime.console import Console
from engine.sweeps.config import read_sweep
from engine.sweeps.journal import Progress, Tried
from engine.sweeps.sweep import check
from engine.sweeps.written import as_override
from tests.support.command_line import CommandLineHere
from tests.support.corpus import write_corpus

GIVEN = ("experiment=adapt", "samples=fake", "collection=corpus", "until=prompts", "tracking=off")
FILE = """
overrides: [experiment=adapt, samples=fake, collection=corpus, until=prompts, tracking=off]
space:
  prompts.per_passage: {int: [1, 6]}
metric: prompts.planned
mode: max
search: random
points: 2
"""


@pytest.mark.slow
def test_a_sweep_finds_its_best_point_and_goes_on(synthmill_here: CommandLineHere) -> None:
    folder = synthmill_here.folder
    write_corpus(folder / "corpus", 12)
    (folder / "per.yaml").write_text(FILE)
    done = synthmill_here.run("sweep=per.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    points = json.loads((folder / "runs/sweeps/per/points.json").read_text())
    assert [point["progress"] for point in points] == ["finished", "finished"]
    assert all(point["score"] == 12 * point["values"]["prompts.per_passage"] for point in points)
    best = max(point["score"] for point in points)
    assert f"per_passage: {best // 12:.0f}" in (folder / "runs/sweeps/per/best.yaml").read_text()
    assert f"reaches {best:.4g} (prompts.planned)" in (folder / "runs/sweeps/per/sweep.html").read_text()
    assert not list((folder / "runs/sweeps/per").glob(".tune-*"))
    assert ".tune-" not in done.stdout, "Tune itself says nothing: its folder is gone"
    logs = {file: file.stat().st_mtime_ns for file in (folder / "runs/sweeps/per").glob("*.log")}
    assert len(logs) == 2
    again = synthmill_here.run("sweep=per.yaml")
    assert again.returncode == 0
    assert "2 have ended before" in again.stdout
    assert logs == {file: file.stat().st_mtime_ns for file in logs}, "no point was started"


@pytest.mark.slow
def test_a_grid_tells_its_failures_at_the_end_and_does_not_repeat_what_is_finished(
    synthmill_here: CommandLineHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = synthmill_here.folder
    write_corpus(folder / "corpus", 12)
    secret = "samples.engine_args.hf_token=planted-by-name"
    arguments = ("-m", "hydra/launcher=ray", *GIVEN, "documents.path=corpus,missing", secret)
    monkeypatch.setattr("sys.argv", ["synthmill"])
    with pytest.raises(SystemExit) as ended:
        synthmill_here.run(*arguments)
    assert ended.value.code == 1
    out, _ = synthmill_here.captured.readouterr()
    assert "1 finished, 1 failed" in out
    assert "failed: documents.path=missing: " in " ".join(out.split())
    [log] = (folder / "runs/sweeps/adapt").glob("*missing*.log")
    assert "missing" in log.read_text()
    assert "planted-" not in out
    assert [file for file in (folder / "runs").rglob("*") if file.is_file() and b"planted-" in file.read_bytes()] == []
    assert not list((folder / "runs").rglob("*planted-*"))
    with pytest.raises(SystemExit):
        synthmill_here.run(*arguments)
    assert "1 unchanged, 1 failed" in synthmill_here.captured.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep=missing.yaml"], "there is no such file"),
        (["sweep=a.yaml", "sweep=b.yaml"], "is given more than once"),
        (["sweep=a.yaml", "-m", "seed=1,2"], "is given beside -m"),
    ],
)
def test_a_sweep_is_written_so(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_gives_a_key_two_values_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "per.yaml"
    file.write_text(FILE.replace("samples=fake", "samples=fake, samples=smollm2"))
    with pytest.raises(UserError, match=r"per\.yaml: samples=smollm2: samples is given twice, first as samples=fake"):
        sweep([f"sweep={file}"])


def test_what_no_grid_can_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus", 2)
    monkeypatch.setattr("sys.argv", ["synthmill"])
    with pytest.raises(SystemExit) as ended:
        main(["-m", "hydra/launcher=ray", *GIVEN, "seed=1,2", "runs_dir=s3://bucket/runs"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("synthmill: runs_dir=s3://bucket/runs: points of a sweep are watched on this disk")
    assert err.count("\n") == 1


def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text("space: {model.epochs: {int: [3, 1]}}")
    with pytest.raises(UserError, match=r"rates\.yaml: space\.model\.epochs: from 3 to 1"):
        sweep([f"sweep={file}"])
    file.write_text("space: {model.epochs: {int: [1, 3]}")
    with pytest.raises(UserError, match=r"rates\.yaml:\d: "):
        sweep([f"sweep={file}"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("space: {null: {int: [1, 2]}}", "rates.yaml: space: Incompatible key type 'NoneType'; write texts"),
        ("null: 2", "rates.yaml: Incompatible key type 'NoneType'; write texts"),
        ("space: {seed: {choice: !!set {a, b}}}", "rates.yaml: space.seed.choice: Value 'set' is not a supported"),
        ("space: &a {seed: *a}", "rates.yaml: an anchor holds itself; write the values out"),
        ("space: {seed: {choice: [!!binary aGk=]}}", "rates.yaml: space.seed.choice: b'hi' is no value of a config"),
        (f"space: {{seed: {{int: [1, 1{400 * '0'}]}}}}", "rates.yaml: space.seed: an end of the range is too large"),
        (f"space: {{seed: {{int: [1, 1{5000 * '0'}]}}}}", "rates.yaml: Exceeds the limit (4300 digits)"),
    ],
)
def test_a_file_that_no_config_can_be_is_one_line(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rates.yaml").write_text(text)
    assert main(["sweep=rates.yaml"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"synthmill: {said}")
    assert err.count("\n") == 1


def test_the_best_settings_are_told_as_a_command_that_can_be_pasted(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written before the page: the page computes more, and what it needs most of all are the settings."""
    monkeypatch.chdir(tmp_path)
    Path("my task.yaml").write_text((CONF / "task" / "trec_covid.yaml").read_text())
    Path("per.yaml").write_text(FILE)
    config = read_sweep(yaml.safe_load(FILE), "per.yaml", "per")
    overrides = [as_override("task", "my task.yaml"), f"collection={corpus}", "runs_dir='my runs'"]
    checked = check(config, overrides, lambda given: load_config(given)[0])
    checked.folder.mkdir(parents=True)
    _show(checked, [Tried(1, {"prompts.per_passage": 2}, Progress.finished, 9.0)], Console())
    out = " ".join(capsys.readouterr().out.split())
    folder = tmp_path / "my runs" / "sweeps" / "per"
    command = (folder / "best.yaml").read_text().splitlines()[1].removeprefix("# ")
    assert command == f"""synthmill 'experiment="{folder}/best.yaml"' 'task="my task.yaml"'"""
    assert load_config(shlex.split(command)[1:])[0].prompts.per_passage == 2
    assert command in out
