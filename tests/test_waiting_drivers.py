"""A driver that waits for another one's step holds no engines meanwhile: the other may wait for what they hold.

Run as a program this file is one of two drivers on one Ray, each in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.generation.pools import EnginePools
from engine.runtime.cluster import quiet
from engine.runtime.place import Place
from engine.runtime.step import Step, make
from engine.samples.config import SamplesConfig
from engine.storage.files import is_locked, lock_file
from engine.storage.store import Store, read_record
from tests.support.clusters import ray_start
from tests.support.engines import hold_cpus
from tests.support.jobs import FAKE, job_at, units, written
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

TWO = replace(FAKE, num_engines=2)
MIXED = replace(TWO, mix={"small": {"share": 3}, "large": {"share": 1, "temperature": 0.9}})
HOLD = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"


def generate(config: SamplesConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, int]:
    assert not inputs
    pool = place.engines.start(config, place, output.name)
    pool.wait_ready()
    pool.generate(*job_at(output), units(60, 15), lambda _: None)
    return {"generated": SamplesFolder(output).rows().num_rows}


generate.__module__ = "engine.errors"  # some source


@contextlib.contextmanager
def held_elsewhere(file: Path) -> Iterator[None]:
    """Another process holds a lock while the block lasts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], text=True, **pipes) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "\n"
            yield
            process.stdin.write("\n")
        finally:
            process.stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("waiting", marks=pytest.mark.soak),
        "loading",
        pytest.param("done", marks=pytest.mark.soak),
        "mixed",  # done, and of two models
    ],
)
def test_engines_end_before_a_lock_is_waited_for(moment: str, tmp_path: Path, place: Place, pools: EnginePools) -> None:
    """Whoever holds the lock is given all CPUs; then this driver makes the step with engines that load anew."""
    import ray

    config = MIXED if moment == "mixed" else TWO
    others = [hold_cpus(2)] if moment == "waiting" else []
    pool = pools.start(config, place, "early")
    if moment in {"done", "mixed"}:
        pool.generate(*job_at(tmp_path / "before"), units(60, 15), lambda _: None)
    seeds = {engine.seed for each in pools.loaded_pools() for engine in each.engines}
    step, store = Step("samples", generate, config, resumable=True, needs_engines=True), Store(place.store_dir)
    folder = store.folder("samples", step.fingerprint)
    with ThreadPoolExecutor(1) as threads, held_elsewhere(lock_file(folder)):
        making = threads.submit(make, step, store, place)
        wait_until(lambda: "they load again when they are needed" in written(place), "the end of the engines")
        for other in others:
            ray.kill(other)
        ray.kill(hold_cpus(2))
        assert not making.done()
        assert not pools.loaded_pools()
    assert making.result() == folder
    assert read_record(folder).record == {"generated": 60}
    again = {engine.seed for each in pools.loaded_pools() for engine in each.engines}
    assert again.isdisjoint(seeds), "what they drew before is drawn already"


@pytest.mark.soak  # two whole drivers: 44 s
def test_two_points_that_start_together_do_not_wait_for_each_other(tmp_path: Path, corpus: Path) -> None:
    """Both ask for all CPUs; one has them and then waits for the other's samples, which need them."""
    with ray_start(num_cpus=2) as address, contextlib.ExitStack() as ending:
        drivers = {role: start_driver(role, address, corpus, tmp_path) for role in ("quick", "late")}
        for driver in drivers.values():
            ending.callback(driver.wait)
            ending.callback(driver.kill)
        said = {role: driver.communicate(timeout=200)[0] for role, driver in drivers.items()}
    assert [driver.returncode for driver in drivers.values()] == [0, 0], said
    assert "the engines end while another run makes the same" in said["quick"]
    assert "made by another run: 80 planned, 80 generated" in said["quick"]
    assert "the engines end" not in said["late"]
    [samples] = (tmp_path / "runs" / "store" / "samples").glob("[0-9a-f]*")
    assert SamplesFolder(samples).rows().num_rows == 80


def start_driver(role: str, address: str, corpus: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, role, address, str(corpus), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def drive(role: str, address: str, corpus: str, folder: Path) -> None:
    """A run up to its samples: the late driver asks for engines once the quick one has them, and is then overtaken."""
    loaded = folder / "loaded"

    class InTurn(EnginePools):
        def start(self, config: Any, place: Place, salt: str = "") -> Any:
            if role == "late":
                wait_until(loaded.exists, "the engines of the quick one")
                return super().start(config, place, salt)
            pool = super().start(config, place, salt)
            pool.wait_ready()
            loaded.touch()
            locks = place.store_dir / "samples"
            wait_until(lambda: any(map(is_locked, locks.glob(".*.lock"))), "the late one at its samples")
            return pool

    import engine.run

    engine.run.EnginePools = InTurn  # type: ignore[misc]
    given = ["experiment=adapt", "samples=fake", f"collection={corpus}", "prompts.per_passage=2", "tracking=off"]
    given += ["examples.round_trip.enabled=false", f"cluster.address={address}", "until=samples"]
    engine.run.run(*load_config([*given, f"runs_dir={folder / 'runs'}", f"run_dir={folder / role}"]))


if __name__ == "__main__":
    quiet()
    drive(*sys.argv[1:4], Path(sys.argv[4]))
