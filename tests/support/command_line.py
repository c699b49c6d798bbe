"""`synthmill` as a user has it: in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class FinishedRun:
    """A whole run of the pipeline with the fake generator and the bundled encoder, and how it was started."""

    synthmill: CommandLine
    arguments: tuple[str, ...]
    folder: Path
    output: str
