"""cluster.yaml is checked offline with Ray's own validator: a key that Ray would refuse fails here, not on a bill."""

import copy
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.support.paths import ROOT

CLUSTER = ROOT / "cluster.yaml"


@pytest.fixture(name="cluster")
def read_cluster() -> dict[str, Any]:
    return yaml.safe_load(CLUSTER.read_text())


def validated(cluster: dict[str, Any]) -> dict[str, Any]:
    prepared: dict[str, Any] = prepare_config(copy.deepcopy(cluster))
    validate_config(prepared)
    return prepared


def test_ray_accepts_it(cluster: dict[str, Any]) -> None:
    assert validated(cluster)["head_node_type"] == "head"


def test_the_validator_does_refuse(cluster: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_mins"):
        validated(cluster | {"idle_timeout_mins": 10})
    with pytest.raises(ValueError, match="head_node_type"):
        validated(cluster | {"head_node_type": "no-such-type"})


def test_workers_come_and_go(cluster: dict[str, Any]) -> None:
    workers = {
        name: kind for name, kind in cluster["available_node_types"].items() if name != cluster["head_node_type"]
    }
    assert workers
    assert all(kind.get("min_workers", 0) == 0 for kind in workers.values())
    assert all(kind["max_workers"] <= cluster["max_workers"] for kind in workers.values())
    assert cluster["idle_timeout_minutes"] > 0


def test_there_are_workers_with_and_without_a_gpu(cluster: dict[str, Any]) -> None:
    kinds = cluster["available_node_types"]
    gpus = {name: kind["resources"].get("GPU", 0) for name, kind in kinds.items()}
    assert gpus["gpu"] > 0
    assert gpus["cpu"] == 0
    assert gpus["head"] == 0


def test_every_node_runs_the_set_up_of_this_repository(cluster: dict[str, Any]) -> None:
    home = next(target for target, source in cluster["file_mounts"].items() if source == ".")
    assert any(f"cd {home} && python3 install.py" in command for command in cluster["setup_commands"])
    assert (ROOT / "install.py").exists()
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert all(f"{home}/.venv/bin/ray " in command for command in commands)


def test_what_a_user_must_set_is_marked() -> None:
    marked = [line for line in CLUSTER.read_text().splitlines() if "-SET" in line]
    assert len(marked) == 3


def test_the_head_may_give_workers_their_role(cluster: dict[str, Any]) -> None:
    profiles = {
        name: kind["node_config"].get("IamInstanceProfile", {}).get("Name")
        for name, kind in cluster["available_node_types"].items()
    }
    assert profiles["head"], "Ray would make it one that may pass no role on"
    assert profiles["head"] != profiles["cpu"] == profiles["gpu"]
