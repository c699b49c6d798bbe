"""cluster.yaml is checked offline with Ray's own validator: a key that Ray would refuse fails here, not on a bill."""

import copy
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.command_runner import SSHCommandRunner
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

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
    assert gpus["gpu_on_demand"] > 0
    assert gpus["cpu"] == 0
    assert gpus["head"] == 0


def test_every_node_runs_the_set_up_of_this_repository(cluster: dict[str, Any]) -> None:
    home = next(target for target, source in cluster["file_mounts"].items() if source == ".")
    assert any(f"cd {home} && python3 install.py" in command for command in cluster["setup_commands"])
    assert (ROOT / "install.py").exists()
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert all(f"{home}/.venv/bin/ray " in command for command in commands)


def test_every_node_sends_the_token_that_it_has(cluster: dict[str, Any]) -> None:
    mounted = [target for target in cluster["file_mounts"] if target.endswith("/.ray/auth_token")]
    assert mounted, "the head makes none of its own"
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        [start] = [command for command in commands if " start " in command]
        before, _, _ = start.partition("/ray start ")
        assert "export RAY_AUTH_MODE=token" in before, "with the file alone only `ray start --head` uses it"


def test_what_gitignore_names_is_not_sent(cluster: dict[str, Any]) -> None:
    options = {key: validated(cluster)[key] for key in ("rsync_exclude", "rsync_filter")}
    told = SSHCommandRunner._create_rsync_filter_args(None, options)
    assert told[-2:] == ["--filter", "dir-merge,- .gitignore"], "in each folder that is sent"
    assert "!" not in (ROOT / ".gitignore").read_text(), "rsync takes such a line for the name of a file"


def test_what_a_user_must_set_is_marked() -> None:
    marked = [line for line in CLUSTER.read_text().splitlines() if "-SET" in line]
    assert len(marked) == 3


def test_the_head_may_give_workers_their_role(cluster: dict[str, Any]) -> None:
    profiles = {
        name: kind["node_config"].get("IamInstanceProfile", {}).get("Name")
        for name, kind in cluster["available_node_types"].items()
    }
    assert profiles["head"], "Ray would make it one that may pass no role on"
    assert profiles["head"] != profiles["cpu"] == profiles["gpu"] == profiles["gpu_on_demand"]


def brought_up(cluster: dict[str, Any], engines: int, **availability: float) -> dict[str, int]:
    """The nodes, by type, that Ray's own scheduler would start for so many engines."""
    config = AutoscalingConfig(copy.deepcopy(cluster), skip_content_hash=True)
    asked = [ResourceRequestUtil.make({"CPU": 1, "GPU": 1}) for _ in range(engines)]
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=config.get_node_type_configs(),
        max_num_nodes=config.get_max_num_nodes(),
        resource_requests=ResourceRequestUtil.group_by_count(asked),
        recoverable_resource_availabilities=availability,
    )
    return {each.instance_type: each.count for each in ResourceDemandScheduler().schedule(request).to_launch}


def test_spot_machines_come_first_and_others_where_there_were_none(cluster: dict[str, Any]) -> None:
    kinds = cluster["available_node_types"]
    spot = {name for name, kind in kinds.items() if "InstanceMarketOptions" in kind["node_config"]}
    assert spot == {"gpu"}
    assert brought_up(cluster, 4) == {"gpu": 4}
    assert brought_up(cluster, 4, gpu=0.5) == {"gpu_on_demand": 4}, "one could not be had a while ago"


def test_runs_there_know_how_many_gpus_may_come_up(cluster: dict[str, Any]) -> None:
    gpu = cluster["available_node_types"]["gpu"]
    there = yaml.safe_load((ROOT / "conf" / "cluster" / "aws.yaml").read_text())
    assert there["gpus_on_demand"] == gpu["max_workers"] * gpu["resources"]["GPU"]
