"""What an interrupted command says that it left is true of that command."""

from __future__ import annotations

import pytest

from engine.command_line.interrupted import after_interrupt
from engine.command_line.main import USAGE, main


@pytest.mark.parametrize("arguments", [["experiment=demo"], ["sweep=a.yaml"], ["preview=3"], ["-m", "seed=1,2"]])
def test_a_run_and_a_sweep_go_on_from_what_is_committed(arguments: list[str]) -> None:
    said = after_interrupt(arguments, "synthmill {x}")
    assert said == "interrupted; what was committed is kept. To go on: synthmill {x}"


@pytest.mark.parametrize("command", [*USAGE, "launch", "--version", "--help", "help", "-h"])
def test_no_other_command_speaks_of_what_was_committed(command: str) -> None:
    assert "committed" not in after_interrupt([command, "RUN"], "synthmill")
    assert "To go on" not in after_interrupt([command, "RUN"], "synthmill") or command == "clean"


@pytest.mark.parametrize("arguments", [[], ["experiment=demo", "--cfg", "job"], ["--info"]])
def test_what_only_shows_something_changed_nothing(arguments: list[str]) -> None:
    assert after_interrupt(arguments, "synthmill") == "interrupted; nothing was changed"


@pytest.mark.parametrize("read", [["--read", "a.csv"], ["--read=a.csv"]])
def test_marks_that_are_read_are_another_thing_than_a_page(read: list[str]) -> None:
    assert "the page" in after_interrupt(["judge", "RUN"], "again")
    said = after_interrupt(["judge", "RUN", *read], "again")
    assert "the tables with marks are as they were" in said
    assert said.endswith("To make them: again")


def test_a_search_that_is_interrupted_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.command_line.search.search", stop)
    assert main(["search", "RUN", "a question"]) == 130
    told = capsys.readouterr()
    assert told.err == "\ninterrupted; nothing of the run was changed\n"
    assert not told.out
