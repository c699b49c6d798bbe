"""Whole runs on clusters that hold just enough: nothing waits for ever for what the run itself holds.

Run as a program this file is a driver that joins such a cluster: in a process of its own, for the session has a Ray.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.fake_generator import SAMPLES_PER_SECOND
from engine.runtime.cluster import quiet
from engine.samples.starts import read_starts
from engine.sweeps.written import replacing
from tests.support.clusters import ray_start, run_driver
from tests.support.command_line import CommandLine
from tests.support.training import write_base
from tests.support.waiting import PATIENCE_SECONDS, wait_until

ARGUMENTS = (
    "experiment=adapt",
    "samples=fake",
    "collection=corpus",
    "prompts.per_passage=2",
    "model.epochs=1",
    "model.max_tokens=48",
    "examples.round_trip.enabled=false",  # an encoder takes nothing from the cluster
    "tracking=off",
    "run_dir=run",
    "until=model",
)


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[str]:
    """The address of a node with two CPUs; what drivers before held is given back within moments."""
    with ray_start(num_cpus=2) as address:
        yield address


@pytest.mark.soak  # whole runs of two rounds: 90 s each; rounds, and two workers, are tested apart
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "settings", [("samples.rounds=2",), ("samples.num_engines=2", "model.num_workers=2", "samples.rounds=2")]
)
def test_rounds_and_training_go_through_on_two_cpus(
    settings: tuple[str, ...], two_cpus: str, tmp_path: Path, corpus: Path
) -> None:
    base = write_base(tmp_path / "base")
    joined = f"cluster.address={two_cpus}"
    done = CommandLine(tmp_path).run(*ARGUMENTS, *settings, joined, f"model.base={base}", timeout=350)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "waiting" not in done.stdout, "nobody else holds anything"
    samples = SamplesFolder(tmp_path / "run" / "samples").rows()
    assert sorted(set(samples["round"].to_pylist())) == [0, 1]
    record = json.loads((tmp_path / "run" / "model" / "record.json").read_text())["record"]
    assert record["world_size"] == (2 if "model.num_workers=2" in settings else 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", ["curate_beside_engines", pytest.param("need_all_cpus", marks=pytest.mark.soak)])
def test_engines_make_room(case: str, two_cpus: str, tmp_path: Path) -> None:
    run_driver(__file__, case, two_cpus, str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_engines_leave_their_gpu_to_the_encoder(tmp_path: Path) -> None:
    with ray_start(num_cpus=2, num_gpus=1) as address:
        run_driver(__file__, "encode_beside_engines", address, str(tmp_path))


@pytest.mark.soak  # a node of its own, and work until two engines have written at once; shares are tested apart
@pytest.mark.timeout(300)
def test_two_engines_work_on_one_gpu_at_the_same_time(tmp_path: Path) -> None:
    with ray_start(num_cpus=2, num_gpus=1) as address:
        run_driver(__file__, "share_one_gpu", address, str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_that_joined_commits_on_a_sigterm(
    monkeypatch: pytest.MonkeyPatch, synthmill: CommandLine, corpus: Path
) -> None:
    """As Slurm, Kubernetes and `ray job stop` end it; Ray leaves each driver that joins with a handler of its own."""
    monkeypatch.setenv(SAMPLES_PER_SECOND, "10")  # engines have it of the node
    folder, given = (
        synthmill.folder / "run" / "samples",
        replacing(ARGUMENTS, [f"collection={corpus}", "prompts.per_passage=9"]),
    )
    with ray_start(num_cpus=2) as address:
        alone = "samples.part_rows=100000"  # an interrupt alone closes a part
        process = synthmill.start(*given, f"cluster.address={address}", alone)
        wait_until(
            lambda: any(engine.generated for start in read_starts(folder) for engine in start.engines), "samples"
        )
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, out + err
    assert "interrupted; what was committed is kept" in err
    assert list(folder.glob("attempt-*/part-*.parquet")), "the open part was committed on the way out"


@pytest.mark.soak  # a cluster of several nodes
@pytest.mark.timeout(300)
def test_what_is_asked_fits_nodes_that_are_unlike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    quiet()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # nodes hand it to their workers
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=4)
        cluster.add_node(num_cpus=2)
        run_driver(__file__, "unlike_nodes", cluster.address, str(tmp_path))
    finally:
        cluster.shutdown()


def join(address: str, folder: Path, **settings: bool) -> Any:
    """The place of a run that has joined a cluster, of which nobody holds anything."""
    from engine.generation.pools import EnginePools
    from engine.runtime.capacity import free_nodes
    from engine.runtime.cluster import ClusterConfig
    from tests.support.places import quiet_place
    from tests.support.waiting import wait_until

    place = replace(quiet_place(folder, cluster=ClusterConfig(address=address)), engines=EnginePools(**settings))
    place.start_ray()
    cpus = sum(node.cpus for node in place.capacity().nodes)
    wait_until(lambda: sum(node.cpus for node in free_nodes()) == cpus, "what an earlier driver held")
    return place


def write(place: Any, config: Any, folder: Path, total: int = 60) -> None:
    """Has the engines of a place write samples."""
    from tests.support.jobs import job_at, units

    place.engines.start(config, place, folder.name).generate(*job_at(folder), units(total, 15), lambda _: None)
    assert SamplesFolder(folder).rows().num_rows == total


def judge(place: Any, count: int = 50) -> None:
    """Curates a few samples in Ray Data."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from engine.filters.blocks import Blocks, RowGroup, judge_samples
    from engine.filters.chain import FiltersConfig
    from engine.filters.contract import PromptWords
    from engine.storage.texts import TextWriter

    part, passages = place.logs() / "part.parquet", place.logs() / "passages"
    columns = {"sample_id": range(count), "status": ["generated"] * count, "text": ["how do bees find it"] * count}
    columns |= {"logprob": pa.array([0.0] * count, pa.float32()), "finish_reason": ["stop"] * count}
    pq.write_table(pa.table(columns), part)
    with TextWriter(passages) as writer:
        writer.add(pa.array(["Bees dance."]))
    blocks = Blocks([RowGroup(part, 0, count)], np.arange(count), np.zeros(count, np.int64), passages)
    judged = pa.concat_tables(judge_samples(blocks, PromptWords(), FiltersConfig(), place))
    assert judged.num_rows == count


def curate_beside_engines(address: str, folder: Path) -> None:
    """Engines stay where they leave room for curation; where somebody holds that room they end, and load again."""
    import ray

    from tests.support.jobs import FAKE
    from tests.support.places import printed

    place, config = join(address, folder), replace(FAKE, cpus_per_engine=0, gpus_per_engine=0)
    write(place, config, folder / "first")
    [engine] = place.engines.start(config, place).engines
    assert engine.processors.cpus == 2, "an engine computes with all cores of its node"
    judge(place)
    assert place.engines.start(config, place).engines == [engine]

    class Other:
        def is_here(self) -> bool:
            return True

    other = ray.remote(num_cpus=0.25)(Other).remote()
    assert ray.get(other.is_here.remote())
    judge(place)
    assert "the engines end for 1 curation task of 0.25 CPUs" in printed(place)
    write(place, config, folder / "second")
    [again] = place.engines.start(config, place).engines
    assert again.seed != engine.seed
    assert "waiting" not in printed(place)
    place.engines.stop()


def need_all_cpus(address: str, folder: Path) -> None:
    """What needs all CPUs has them once two engines have ended, and the engines load again."""
    from engine.runtime.capacity import Ask
    from tests.support.jobs import FAKE

    place, config = join(address, folder), replace(FAKE, num_engines=2, cpus_per_engine=1, gpus_per_engine=0)
    write(place, config, folder / "first")
    place.make_room(Ask("curation task", 1, 2), where="", remedy="")
    write(place, config, folder / "second")
    place.engines.stop()


def encode_beside_engines(address: str, folder: Path) -> None:
    """Engines that hold the GPU stay while they load, sleep where they can, and end where they cannot."""
    from engine.search.encoder import encoding_device
    from tests.support.jobs import FAKE
    from tests.support.places import printed

    place, config = join(address, folder, with_rests=True), FAKE
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.search.encoder._best_device", lambda: "cuda")
        pool = place.engines.start(config, place)
        assert encoding_device(place) == "cpu", "an engine that loads would find the GPU taken"
        assert "on the CPU: the engines are loading on the GPU" in printed(place)
        write(place, config, folder / "first")
        [engine] = pool.engines
        assert engine.processors.gpus == 1, "a node has one, the machine of the driver has not"
        assert encoding_device(place) == encoding_device(place) == "cuda"
        assert printed(place).count("the engines sleep while the GPU encodes") == 1
        assert not pool.holds_gpu
        write(place, config, folder / "second")
        assert pool.engines == [engine], "it woke"
        assert pool.holds_gpu
        engine.can_sleep = False
        assert encoding_device(place) == "cuda"
        assert "the engines end so that the GPU is free" in printed(place)
        write(place, config, folder / "third")
    assert place.engines.start(config, place).engines[0].seed != engine.seed, "what it drew is drawn already"
    place.engines.stop()


def share_one_gpu(address: str, folder: Path) -> None:
    """Each of two engines has half of the only GPU, and both write at the same time."""
    from engine.runtime.capacity import free_nodes
    from tests.support.jobs import FAKE
    from tests.support.waiting import wait_until

    place, config = join(address, folder), replace(FAKE, num_engines=0, gpus_per_engine=0.5)
    assert sum(node.gpus for node in place.capacity().nodes) == 1
    pool = place.engines.start(config, place)
    wait_until(lambda: sum(node.gpus for node in free_nodes()) == 0, "both halves are held")
    for number in range(100):  # the first job may be over before the second engine has loaded
        write(place, config, folder / f"job-{number}", total=600)
        if len(spans := [(each.totals.first_admitted, each.totals.last_committed) for each in pool.engines]) == 2:
            (begins, ends), (others_begin, others_end) = spans
            if min(begins, others_begin) and max(begins, others_begin) < min(ends, others_end):
                break
    else:
        raise AssertionError(f"no two engines worked at the same time: {spans}")
    assert [engine.processors.gpus for engine in pool.engines] == [0.5, 0.5]
    place.engines.stop()


def unlike_nodes(address: str, folder: Path) -> None:
    """Nodes of 1, 4 and 2 CPUs: what engines and workers ask for is on one node, however many the driver has."""
    from engine.errors import UserError
    from engine.generation.processors import choose_processors
    from tests.support.jobs import FAKE
    from training.config import ModelConfig
    from training.workers.launch import choose_workers

    place, config = join(address, folder), replace(FAKE, cpus_per_engine=0, gpus_per_engine=0)
    for num_engines, cpus in ((1, 4), (2, 2), (3, 2), (4, 1), (7, 1)):
        assert choose_processors(replace(config, num_engines=num_engines), place).cpus == cpus
    for num_engines in (1, 7):
        write(place, replace(config, num_engines=num_engines), folder / str(num_engines))
        judge(place)
        place.engines.stop()
    for wrong in (replace(config, cpus_per_engine=5), replace(config, num_engines=8)):
        with pytest.raises(UserError, match="not fit 1 node of 1 CPU, 1 node of 2 CPUs, 1 node of 4 CPUs"):
            choose_processors(wrong, place)
    assert choose_workers(ModelConfig(seed=0), place).threads == 4
    assert choose_workers(ModelConfig(seed=0, num_workers=2), place).threads == 2


if __name__ == "__main__":
    quiet()
    globals()[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
