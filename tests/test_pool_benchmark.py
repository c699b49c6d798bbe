"""The benchmark of the pool's driver, and the account of CPU seconds by kind of process, on little of each."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import pool
from benchmarks._cpu_account import Account, print_table
from benchmarks._measure import call_in_own_process


def compute(seconds: float) -> float:
    """Called in a process of its own below: computes in a child until that has had so many CPU seconds."""
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    began = time.time()
    subprocess.run([sys.executable, "-c", code], check=True)
    return began


def test_cpu_seconds_of_children_are_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = Account()
    began = call_in_own_process(compute, {"seconds": 0.5}, tmp_path / "side.log", watch=account.watch)
    table = account.table({"before": (0, began), "work": (began, time.time())})
    python = Path(sys.executable).name
    assert set(table) == {"driver", python}
    assert table[python]["processes"] == 1
    assert table[python]["before"] == 0
    assert 0.2 <= table[python]["work"] <= 0.7, "all but what came after the last look"
    print_table(table)
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["sum", "2"]


def test_the_pool_gives_every_unit_to_simulated_engines(capsys: pytest.CaptureFixture[str]) -> None:
    pool.main(["--engines", "5", "--units", "2000", "--unit-rows", "3"])
    printed = capsys.readouterr().out
    assert {"pool.units_per_s", "pool.cpu_per_unit", "pool.growth"} <= {
        line.split()[0] for line in printed.splitlines()
    }
