"""The command line's front door: exit codes and where a message goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.command_line.main import USAGE, main
from engine.errors import StoppedEarly, UserError
from engine.pipeline.config import RunConfig
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    """What the command line does on a signal is not what the tests shall do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_help_exits_0_and_lists_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "experiment=adapt collection=DIR" in out
    assert "tracking" in out


@pytest.mark.parametrize("command", USAGE)
def test_every_command_shows_how_it_is_written(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out == f"usage: {USAGE[command]}\n"


def test_a_users_mistake_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "model.lerning_rate=1"]) == 2
    out, err = capsys.readouterr()
    assert out == "config     reading it\n", "Ray and its line come later"
    assert err.count("\n") == 1
    assert "model.learning_rate" in err


LOGIN = "https://me:planted-password@host.invalid/runs/demo"


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", LOGIN],
        ["status", LOGIN, "--json"],
        ["trace", LOGIN, "1"],
        ["search", LOGIN, "a question"],
        ["judge", LOGIN],
        ["compare", LOGIN, f"{LOGIN}2"],
        ["publish", LOGIN, "hub:me/model"],
        ["publish", "run", LOGIN],
        ["clean", LOGIN],
        [LOGIN],
        ["experiment=adapt", f"collection={LOGIN}"],
        ["-m", "experiment=adapt", f"collection={LOGIN}"],
        ["launch", "cluster=ray", f"collection={LOGIN}", "runs_dir=/shared"],
    ],
)
def test_no_command_shows_the_password_of_a_url(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["synthmill"])  # which Hydra reads
    with pytest.raises(SystemExit, match="2"):  # which is how Hydra ends
        sys.exit(main(arguments))
    said = "".join(capfd.readouterr())
    assert "***@host.invalid" in said
    assert "planted" not in said


def test_cfg_job_prints_the_composed_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "--cfg", "job"]) == 0
    assert "max_samples: 400" in capsys.readouterr().out


def test_a_sweep_is_checked_before_any_point_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "experiment=demo", "model.lerning_rate=1,2"]) == 2
    assert "model.learning_rate" in capsys.readouterr().err


@pytest.fixture
def pasted(monkeypatch: pytest.MonkeyPatch) -> str:
    """How a run that ended early says that it is called again, from a program that is not on the PATH."""
    monkeypatch.setattr("sys.argv", ["engine/__main__.py"])
    return f"To go on: {sys.executable} -m engine experiment=demo 'name=two words'\n"


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (StoppedEarly("the time is up"), 3, "synthmill: the time is up; what was committed is kept. "),
        (KeyboardInterrupt(), 130, "\ninterrupted; what was committed is kept. "),
        (UserError("is wrong", where="key=value", remedy="set it"), 2, "synthmill: key=value: is wrong; set it\n"),
    ],
)
def test_how_a_run_ended_is_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pasted: str,
    end: BaseException,
    code: int,
    said: str,
) -> None:
    def stop(config: object, text: str) -> int:
        assert isinstance(config, RunConfig)
        assert "name: two words" in text
        raise end

    monkeypatch.setattr("engine.command_line.main.start", stop)
    assert main(["experiment=demo", "name=two words"]) == code
    assert capsys.readouterr().err == said + (pasted if code != 2 else "")


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(config: object, text: str) -> int:
        raise RuntimeError(f"a defect, whatever {config} and {text}")

    monkeypatch.setattr("engine.command_line.main.start", stop)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["experiment=demo"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_taken_as_ctrl_c(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert main(["--help"]) == 0
    handler = signal.getsignal(number)
    assert callable(handler)
    assert handler is not signal.default_int_handler


def test_nohup_is_heeded() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert main(["--help"]) == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios, time
from pathlib import Path
import engine.command_line.main as command_line

def start(config, text):
    try:
        print("started", flush=True)  # inside, since the terminal may be closed the moment this is read
        for _ in range(600):
            time.sleep(0.1)  # a signal that comes just before a sleep does not cut it short
    finally:
        os.kill(os.getpid(), signal.SIGHUP)  # the shell has sent one, the kernel sends another
        print("what a progress bar writes when it ends", flush=True)
        Path("committed").touch()

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
command_line.start = start
sys.exit(command_line.main(["experiment=demo"]))
"""


def test_a_terminal_that_is_closed_ends_a_run_as_ctrl_c_does(tmp_path: Path) -> None:
    terminal, inside = os.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL],
        cwd=tmp_path,
        env=environment,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    said = b""
    while b"started" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    assert process.wait(PATIENCE_SECONDS) == 130
    assert (tmp_path / "committed").exists()


def test_what_is_told_on_stderr_makes_a_terminal_do_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(tmp_path / "a\x1bc\x9b2J"), "1"]) == 2
    err = capsys.readouterr().err
    assert "a\\u001bc\\u009b2J" in err
    assert err.replace("\n", "").isprintable()
