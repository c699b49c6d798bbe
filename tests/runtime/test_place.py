"""Where a run happens: folders that exist when asked for, cores, and nothing of it in a fingerprint."""

import os
from dataclasses import replace
from pathlib import Path

from engine.runtime.cluster import ClusterConfig
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.runtime.tracking import TrackingConfig
from tests.support.places import quiet_place


def place(tmp_path: Path, run: str = "run", num_cpus: int = 0) -> Place:
    return replace(quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=num_cpus)), run_dir=tmp_path / run)


def test_logs_are_per_run_and_outside_its_folder(tmp_path: Path) -> None:
    one, again, other = place(tmp_path), place(tmp_path), place(tmp_path, "other")
    assert one.logs().is_dir()
    assert one.logs() == again.logs() != other.logs()
    assert one.logs().parent == tmp_path / "store" / "logs"
    assert not (tmp_path / "run").exists(), "a run that is refused leaves its folder as it was"


def test_embeddings_are_shared_by_runs(tmp_path: Path) -> None:
    assert place(tmp_path).embeddings == place(tmp_path, "other").embeddings == tmp_path / "store" / "embeddings"


def test_cores_are_those_given_or_those_here(tmp_path: Path) -> None:
    assert place(tmp_path, num_cpus=7).num_cpus == 7
    assert place(tmp_path).num_cpus == len(os.sched_getaffinity(0))


def test_where_a_run_happens_changes_no_result() -> None:
    assert identity_of(ClusterConfig(address="auto", num_cpus=64)) == {}
    assert identity_of(TrackingConfig(project="x")) == {}
