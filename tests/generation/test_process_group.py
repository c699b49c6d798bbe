"""The processes that an engine started end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from engine.generation import process_group
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS, wait_until

LEADER = f"""
import subprocess, sys, time
sys.path.insert(0, {str(ROOT)!r})
from {process_group.__name__} import lead_process_group
lead_process_group()
subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; sleep 600 & echo $! $$; wait"])
time.sleep(600)
"""
"""An engine whose child has a child, and neither heeds a polite signal."""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_children_of_a_process_that_was_killed_end_too(number: signal.Signals) -> None:
    leader = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True)
    assert leader.stdout
    family = [int(pid) for pid in leader.stdout.readline().split()]
    assert {os.getpgid(pid) for pid in family} == {leader.pid} != {os.getpgrp()}
    leader.send_signal(number)
    leader.wait(PATIENCE_SECONDS)
    leader.stdout.close()
    wait_until(lambda: not any(lives(pid) for pid in family), "the end of the children")


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
