"""Three engines, on one node or on three: prefixes stay together, and a big one is shared out.

Run as a program this file is the driver that joins the cluster: in a process of its own, for the session has a Ray.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.generation.jobs import Unit
from engine.generation.pools import EnginePools
from engine.runtime.cluster import ClusterConfig, quiet
from engine.runtime.place import Place
from tests.support.jobs import FAKE, job_at, rows
from tests.support.paths import ROOT
from tests.support.places import quiet_place

TESTS = ROOT / "tests"
SIZES = [600, 60, 60, 60, 60, 60, 60]
"""Rows of each prefix."""
UNIT_ROWS = 20


def prefix_of(sample_id: int) -> int:
    """The prefix of a planned row: the rows of a prefix are neighbours."""
    ends = [sum(SIZES[: number + 1]) for number in range(len(SIZES))]
    return next(prefix for prefix, end in enumerate(ends) if sample_id < end)


@pytest.fixture
def cluster_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Three nodes of one CPU each, so that each holds one engine."""
    from ray.cluster_utils import Cluster

    quiet()
    # Nodes hand their environment to their workers, which import this project and these tests.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent), str(TESTS)]))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()


def test_prefixes_stay_together_and_a_big_one_is_shared_out(tmp_path: Path, place: Place, pools: EnginePools) -> None:
    drive(place, tmp_path)
    check_shares(tmp_path)


@pytest.mark.soak  # a cluster of three nodes
def test_engines_of_three_nodes_share_the_work_in_the_same_way(cluster_address: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, cluster_address, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check_shares(tmp_path)


def check_shares(folder: Path) -> None:
    """Holds what three engines wrote to be whole and well shared out."""
    table = SamplesFolder(folder).rows()
    assert table["sample_id"].to_pylist() == list(range(sum(SIZES))), "all rows are there, each once"
    engines: dict[int, list[int]] = {}
    for sample_id, engine in zip(table["sample_id"].to_pylist(), table["engine"].to_pylist(), strict=True):
        engines.setdefault(prefix_of(sample_id), []).append(engine)
    by_itself = [prefix for prefix, used in engines.items() if len(set(used)) == 1]
    assert len(by_itself) >= 5, (
        "small prefixes are computed on one engine, but for those that idle engines stole at last"
    )
    assert len(set(engines[0])) >= 2, "the big prefix is shared out"
    written = [sum(used.count(engine) for used in engines.values()) for engine in range(3)]
    assert min(written) > 0.2 * sum(SIZES), f"no engine idles while there is work: {written}"


def drive(place: Place, folder: Path) -> None:
    """Has three engines write the units of SIZES into `folder`, beginning together."""
    firsts = range(0, sum(SIZES), UNIT_ROWS)
    units = [Unit(prefix_of(first), rows(UNIT_ROWS, prefix_of(first), first)) for first in firsts]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(SAMPLES_PER_SECOND, "60")
        pool = place.engines.start(replace(FAKE, num_engines=3), place)
        pool.wait_ready(3)
    try:
        pool.generate(*job_at(folder), units, lambda _: None)
    finally:
        place.engines.stop()


if __name__ == "__main__":
    joining = quiet_place(Path(sys.argv[2]), cluster=ClusterConfig(address=sys.argv[1]))
    drive(replace(joining, engines=EnginePools()), Path(sys.argv[2]))
