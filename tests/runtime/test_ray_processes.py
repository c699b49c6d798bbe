"""A Ray of our own runs what is needed and no more, and what workers print and raise is not lost with the rest."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.cluster import ClusterConfig
from engine.runtime.ray_processes import only_needed_processes


def node() -> Any:
    """Returns Ray's own record of the node that this process started."""
    import ray

    return ray._private.worker.global_worker.node


def test_no_helper_runs_that_nobody_looks_at(ray_session: None) -> None:
    assert {name for name, _ in node().live_processes()} - {"reaper"} == {"gcs_server", "raylet"}


def test_an_error_reaches_the_driver_and_every_line_the_logs(ray_session: None) -> None:
    import ray

    def fail() -> None:
        sys.stdout.write("printed by a worker\n")
        raise ValueError("raised by a worker")

    with pytest.raises(ValueError, match="raised by a worker"):
        ray.get(ray.remote(fail).options(num_cpus=0).remote())
    logs = Path(node().get_logs_dir_path()).glob("worker-*.out")
    assert any("printed by a worker" in log.read_text(encoding="utf-8") for log in logs)


def test_the_agent_of_the_node_does_not_look_for_a_dashboard(ray_session: None) -> None:
    from ray.experimental import internal_kv

    assert internal_kv._internal_kv_get("dashboard", namespace="dashboard") == b"127.0.0.1:0"


def test_ray_is_as_it_was_afterwards() -> None:
    from ray._private import parameter, services, utils

    before = parameter.RayParams, services.start_api_server, utils.get_dashboard_dependency_error
    with only_needed_processes():
        assert parameter.RayParams().no_monitor
        assert utils.get_dashboard_dependency_error() is None
    assert (parameter.RayParams, services.start_api_server, utils.get_dashboard_dependency_error) == before


def test_the_dashboard_is_started_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import parameter, services

    monkeypatch.delenv("REPORTER_UPDATE_INTERVAL_MS", raising=False)
    before = services.start_api_server
    with only_needed_processes(dashboard=True):
        assert services.start_api_server is before
        assert parameter.RayParams().no_monitor
        assert "REPORTER_UPDATE_INTERVAL_MS" not in os.environ, "it shows how busy processes are"
    assert ClusterConfig().dashboard_host == "127.0.0.1"
    assert not ClusterConfig().dashboard


def test_the_libraries_of_the_dashboard_are_there() -> None:
    from ray._private import utils

    assert utils.get_dashboard_dependency_error() is None, "the agent of a node imports them"


def test_a_ray_that_was_not_tried_starts_all_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import parameter

    monkeypatch.setattr("ray.__version__", "3.0.0")
    with only_needed_processes():
        assert not parameter.RayParams().no_monitor
