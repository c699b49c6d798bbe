"""What drivers use: known while they live, forgotten when they end, and nobody starts while someone counts."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.storage.in_use import other_drivers, using, while_no_driver_starts
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

USE = """
import sys
from pathlib import Path
from engine.storage.in_use import using

with using(Path(sys.argv[1]), ["abc", "def"]):
    print("using", flush=True)
    sys.stdin.readline()
"""


def in_use(store: Path) -> set[str]:
    with while_no_driver_starts(store) as fingerprints:
        return fingerprints


def test_what_living_drivers_use_is_known(tmp_path: Path) -> None:
    assert in_use(tmp_path) == set()
    with using(tmp_path, ["a", "b"]):
        with using(tmp_path, ["b", "c"]):
            assert in_use(tmp_path) == {"a", "b", "c"}
        assert in_use(tmp_path) == {"a", "b"}
    assert list((tmp_path / "drivers").iterdir()) == []


def test_a_driver_that_fails_uses_nothing_any_more(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fails"), using(tmp_path, ["a"]):
        raise ValueError("fails")
    assert in_use(tmp_path) == set()


def test_a_killed_driver_does_not_count(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USE, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout
        assert driver.stdout.readline() == "using\n"
        assert in_use(tmp_path) == {"abc", "def"}
        with using(tmp_path, ["abc"]):
            others = [f"another run (pid {driver.pid} on {socket.gethostname()})"]
            assert other_drivers(tmp_path, "abc") == others, "who waits is not told of itself"
        assert other_drivers(tmp_path, "none of theirs") == []
        driver.kill()
        driver.wait(PATIENCE_SECONDS)
        assert other_drivers(tmp_path, "abc") == []
        (tmp_path / "drivers" / "host-1-killed.json").write_text('["abc"]')
    assert len(list((tmp_path / "drivers").iterdir())) == 1
    assert in_use(tmp_path) == set()
    assert list((tmp_path / "drivers").iterdir()) == []


def test_a_driver_that_starts_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def drive() -> None:
        with using(tmp_path, ["a"]):
            order.append("driver")

    with ThreadPoolExecutor(1) as pool:
        with while_no_driver_starts(tmp_path) as fingerprints:
            driving = pool.submit(drive)
            with pytest.raises(TimeoutError):
                driving.result(0.2)
            assert fingerprints == set()
            order.append("counted")
        driving.result(10)
    assert order == ["counted", "driver"]
