"""A process that was started with a lifeline ends when the one that started it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from engine.sweeps.lifeline import VARIABLE, end_with_parent, lifeline
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

CHILD = """
import signal, sys, time
from engine.sweeps import lifeline
signal.signal(signal.SIGTERM, ON_TERM)
lifeline.PATIENCE_SECONDS = 0.1
lifeline.end_with_parent()
print("ready", flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys
from engine.sweeps.lifeline import lifeline
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=os.environ | lifeline(), start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("on_term", ["lambda *_: sys.exit(0)", "signal.SIG_IGN"])
def test_the_child_of_a_killed_process_ends(on_term: str) -> None:
    """Also one that does not, as asked, by itself: it is killed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD.replace("ON_TERM", on_term)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the end of the child")


def test_a_parent_that_is_gone_already_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    end_with_parent()  # nobody asked for it
    assert lifeline() == {VARIABLE: str(os.getpid())}
    code = (
        f"import os; os.environ['{VARIABLE}'] = '1'; from engine.sweeps.lifeline import end_with_parent as end; end()"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
