"""`python -m engine` is the same program as `synthmill`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.__main__ import main as program
from engine.command_line.help import help_text
from engine.command_line.main import main
from tests.support.paths import ROOT


def test_the_program_is_the_command_line() -> None:
    assert program is main


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["no-such-command"], 2)])
def test_the_process_exits_with_the_code_of_the_command(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == code
    assert done.stdout == (f"{help_text()}\n" if code == 0 else "")
    assert ("there is no command 'no-such-command'" in done.stderr) == (code == 2)
