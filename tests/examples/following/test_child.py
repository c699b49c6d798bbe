"""A process beside the driver comes forward when it is waited for, and is given up where it does nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.examples.following.child import Child, _set_priority
from tests.support.places import printed, quiet_place

IDLE = "import sys, time; sys.stdin.readline(); time.sleep(3600)"
BUSY = """
import sys, time
sys.stdin.readline()
ends = time.process_time() + 1.5
while time.process_time() < ends:
    sum(range(1000))
"""
THREADS = """
import sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.stdin.read()
"""


def test_one_that_does_nothing_is_given_up_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.examples.following.child._LOOK_SECONDS", 0.5)
    place = quiet_place(tmp_path)
    child = Child("search", [sys.executable, "-S", "-c", IDLE], "go\n", place)
    monkeypatch.setattr("engine.examples.following.child._LEAST_CPU_SECONDS", 3.0)
    child.finish()
    assert "what prepares the search beside generation has used" in printed(place)
    assert "in 0.5 s: it is given up, and curation does it by itself" in printed(place)
    assert child._process.returncode is not None, "it is gone"
    child.end()
    assert "ended with an error" not in printed(place), "one line says it"


def test_one_that_works_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at before it ends; on a busy machine it may have had little of the CPU until then."""
    monkeypatch.setattr("engine.examples.following.child._LOOK_SECONDS", 1.0)
    monkeypatch.setattr("engine.examples.following.child._LEAST_CPU_SECONDS", 0.001)
    place = quiet_place(tmp_path)
    child = Child("search", [sys.executable, "-S", "-c", BUSY], "go\n", place)
    child.finish()
    assert child._process.returncode == 0
    assert not printed(place)


def test_one_that_died_is_named_and_not_waited_for(tmp_path: Path) -> None:
    place = quiet_place(tmp_path)
    child = Child("search", [sys.executable, "-S", "-c", IDLE], "go\n", place)
    child._process.kill()
    child.finish()
    assert "what follows generation has ended with an error; curation does it afterwards" in printed(place)


def test_one_that_was_ended_is_not_touched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a process that was waited for can be that of another one."""
    place = quiet_place(tmp_path)
    child = Child("search", [sys.executable, "-S", "-c", THREADS], "go\n", place)
    child.end()
    other = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    os.setpriority(os.PRIO_PROCESS, other.pid, 7)
    monkeypatch.setattr(child._process, "pid", other.pid)
    child.finish()
    assert os.getpriority(os.PRIO_PROCESS, other.pid) == 7
    other.communicate(b"\n")
    assert not printed(place)


def test_all_threads_come_forward_or_none_where_that_is_not_allowed(tmp_path: Path) -> None:
    """A priority is that of one thread, and a library may have started more."""
    child = Child("search", [sys.executable, "-S", "-c", THREADS], "go\n", quiet_place(tmp_path))
    process, deadline = psutil.Process(child._process.pid), time.monotonic() + 60.0
    while process.num_threads() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert priorities(process) == {19}
    _set_priority(process.pid, usual)
    may_raise = os.geteuid() == 0
    assert priorities(process) in (({usual},) if may_raise else ({usual}, {19}))
    child.end()


def priorities(process: psutil.Process) -> set[int]:
    return {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()}
