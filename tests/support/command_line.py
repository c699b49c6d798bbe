"""`synthmill` as a user has it, in a process and a folder of its own; or in this process, where that is no matter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.command_line.main import main
from tests.support.paths import CRASH_POINTS, ROOT


@dataclass(frozen=True)
class CommandLine:
    """Runs `synthmill` as a user does, in a folder of its own."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts it in a process group of its own."""
        # With the second folder in it, SYNTHMILL_STOP_AT stops processes at a named moment (tests/test_crash.py).
        paths = f"{ROOT}{os.pathsep}{CRASH_POINTS}"
        environment = os.environ | {"PYTHONPATH": paths, "COLUMNS": "100"}
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_here(folder: Path, arguments: Sequence[str]) -> int:
    """Runs the command line in this process, as if it were started in `folder`; returns its exit code."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with contextlib.chdir(folder):
            return main(arguments)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class CommandLineHere:
    """Runs `synthmill` in this process: neither Python's imports nor the start of a Ray are paid for once more."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        self.captured.readouterr()
        code = run_here(self.folder, arguments)
        out, err = self.captured.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)


@dataclass(frozen=True)
class FinishedRun:
    """A whole run of the pipeline with the fake generator and the bundled encoder, and how it was started."""

    synthmill: CommandLine
    arguments: tuple[str, ...]
    folder: Path
    output: str
