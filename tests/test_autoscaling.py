"""Ray's own autoscaler brings nodes when a run asks for engines, from none, and takes them away when it does not.

Run as a program this file waits until a cluster has so many nodes beside its head.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.runtime.cluster import quiet
from tests.support.clusters import ray_that_scales, run_driver
from tests.support.command_line import CommandLine
from tests.support.waiting import PATIENCE_SECONDS, wait_until


@pytest.mark.soak  # nodes of Ray that start and end: a minute with each version
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [1, 2])
def test_nodes_come_for_engines_and_leave_with_them(
    version: int, monkeypatch: pytest.MonkeyPatch, synthmill: CommandLine, corpus: Path
) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "6")  # engines have it of their node; one alone needs a minute
    given = ["experiment=adapt", f"collection={corpus}", "samples=fake", "tracking=off", "run_dir=run"]
    given += ["samples.gpus_per_engine=1", "samples.part_rows=32", "until=samples"]
    given += ["cluster.autoscaling=true", "cluster.gpus_on_demand=2"]
    samples = SamplesFolder(synthmill.folder / "run" / "samples")
    with ray_that_scales(2, {"CPU": 1, "GPU": 1}, 2, version) as address:
        for per_passage in (9, 18):  # what is there already is taken over
            process = synthmill.start(*given, f"cluster.address={address}", f"prompts.per_passage={per_passage}")
            run_driver(__file__, address, "2")
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, out + err
            rows = samples.rows()
            assert rows["sample_id"].to_pylist() == list(range(40 * per_passage))
            written = rows.filter(pc.greater(rows["attempt"], 0))
            assert written.num_rows == 360
            assert set(written["engine"].to_pylist()) == {0, 1}, "both nodes had an engine"
            run_driver(__file__, address, "0")


def wait_for_nodes(address: str, count: int) -> None:
    """Returns once a cluster has so many nodes beside its head."""
    import ray

    ray.init(address, log_to_driver=False)
    wait_until(lambda: sum(node["Alive"] for node in ray.nodes()) == 1 + count, f"a cluster of {count} nodes")


if __name__ == "__main__":
    quiet()
    wait_for_nodes(sys.argv[1], int(sys.argv[2]))
