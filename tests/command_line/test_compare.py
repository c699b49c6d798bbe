"""`synthmill compare`: its options, the page, JSON, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.command_line.compare import PAGE, Options, read_options
from engine.command_line.main import main
from engine.errors import UserError
from tests.support.compared import asking_otherwise, without_words, write_finished_run


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["A", "B"], Options(("A", "B"))),
        (["A", "--output", "x.html", "B", "C"], Options(("A", "B", "C"), "x.html")),
        (["--json", "A", "--output=x.html", "B"], Options(("A", "B"), "x.html", as_json=True)),
    ],
)
def test_options(arguments: list[str], options: Options) -> None:
    assert read_options(arguments, "usage") == options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "compare: no run is named, and two or more are compared; write: usage"),
        (["A"], "compare: one run is named, and two or more are compared"),
        (["A", "./A"], "compare ./A: is named twice"),
        (["A", "B", "--output"], "compare --output: names no file"),
        (["A", "B", "--jsno"], "compare: there is no option '--jsno'"),
    ],
)
def test_what_is_no_option_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        read_options(arguments, "usage")
    assert str(error.value).startswith(said)


def test_two_runs_become_a_page_and_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_finished_run(tmp_path / "first")
    other = write_finished_run(tmp_path / "other", "seed: 7\n", without_words)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare", str(first), str(other)]) == 0
    out = capsys.readouterr().out
    assert "Settings that differ" in out
    assert f"page       {PAGE}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "Settings that differ" in (tmp_path / PAGE).read_text()


def test_json_is_all_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = write_finished_run(tmp_path / "first"), write_finished_run(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(first), str(other), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    names = ["runs", "advised", "data", "same_steps", "settings", "shared", "made_up", "weights", "flattered"]
    assert list(figures) == names
    assert not (tmp_path / PAGE).exists(), "a page is written with --json only where one is named"
    assert main(["compare", str(first), str(other), "--json", "--output", "deep/page.html"]) == 0
    assert (tmp_path / "deep" / "page.html").is_file()


def test_runs_that_cannot_be_compared_end_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_finished_run(tmp_path / "first")
    other = write_finished_run(tmp_path / "other", change=asking_otherwise)
    assert main(["compare", str(first), str(other)]) == 2
    assert "there is no query that all of them measured" in capsys.readouterr().err
    assert main(["compare", str(first), str(other), "--output", str(tmp_path)]) == 2
    (other / "report").unlink()
    assert main(["compare", str(first), str(other)]) == 2
    assert "the run has no finished report" in capsys.readouterr().err
