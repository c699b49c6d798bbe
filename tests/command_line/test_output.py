"""Standard output in processes of their own: plain characters, a full device, a reader that left, none at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.command_line.output import READER_LEFT, naming_a_long_name, plain_output
from engine.errors import UserError
from tests.support.paths import ROOT

TABLE = """
from rich.panel import Panel
from engine.command_line.output import plain_output
from engine.runtime.console import Console
with plain_output():
    Console().show(Panel("caf\\u00e9 \\u2013 \\u4e2d\\u6587 \\u00b7 \\u2212" + "0.1", title="a \\u2026"))
    print("printed \\u2192 so")
"""


def execute(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell command, in which $PYTHON is this interpreter, in the checkout."""
    variables = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "COLUMNS": "60"} | environment
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=variables, capture_output=True, check=False, encoding="utf-8"
    )


def test_ascii_gets_plain_characters() -> None:
    done = execute('"$PYTHON" -c "$CODE"', PYTHONIOENCODING="ascii", CODE=TABLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert r"caf\xe9 - \u4e2d\u6587 - -0.1" in done.stdout
    assert "+-" in done.stdout
    assert "printed -> so" in done.stdout


def test_utf_8_stays_as_it_is() -> None:
    done = execute('"$PYTHON" -c "$CODE"', PYTHONIOENCODING="utf-8", CODE=TABLE)
    assert "café – 中文 · −0.1" in done.stdout  # noqa: RUF001
    assert "╭" in done.stdout
    assert "printed → so" in done.stdout


def test_the_handling_that_the_user_chose_stays() -> None:
    assert "caf?" in execute('"$PYTHON" -c "$CODE"', PYTHONIOENCODING="ascii:replace", CODE=TABLE).stdout


@pytest.mark.parametrize("arguments", ["--help", "experiment=demo --cfg job"])
def test_a_full_device_is_one_line(arguments: str) -> None:
    done = execute(f'"$PYTHON" -m engine {arguments} > /dev/full')
    assert done.returncode == 2
    assert done.stderr.startswith("synthmill: standard output: cannot be written (No space left on device); ")
    assert done.stderr.count("\n") == 1


def test_a_full_device_is_not_the_disk_of_the_run() -> None:
    code = """
from pathlib import Path
from engine.command_line.output import plain_output
from engine.runtime.console import Console
from engine.storage.files import naming_a_full_disk
with plain_output(), naming_a_full_disk(Path("a-run")):
    Console().step("documents", "read")
"""
    done = execute('"$PYTHON" -c "$CODE" > /dev/full', CODE=code)
    assert "UserError: standard output: cannot be written" in done.stderr
    assert "a-run" not in done.stderr


READER_IS_GONE = "import select; pipe = select.poll(); pipe.register(1, 0); pipe.poll()"
"""Waits until nobody holds the other end of the pipe that standard output is."""


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from engine.command_line.main import main; sys.exit(main())"
    done = execute('{ "$PYTHON" -c "$CODE"; echo $? >&2; } | true', CODE=f"{READER_IS_GONE}; {code}")
    assert done.stderr == f"{READER_LEFT}\n"


def test_without_standard_output_nothing_is_said() -> None:
    done = execute('"$PYTHON" -m engine --help >&-')
    assert (done.returncode, done.stderr) == (0, "")


def test_the_stream_of_before_is_back_and_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout

    def fail() -> None:
        with plain_output():
            sys.stdout.write("written ")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with plain_output():
        sys.stdout.write("in full")
    assert sys.stdout is before
    assert capsys.readouterr().out == "written in full"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{'x' * 256}/y", r"^x{40}\.\.\.: is a longer name .* at most 255 bytes$"),
        ("a/" * 3000, r"^(a/){20}\.\.\.: is a longer path .* by a shorter path$"),
    ],
)
def test_a_name_and_a_path_that_are_too_long_are_told_apart(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said), naming_a_long_name():
        Path(name).stat()
