"""Leaves out the processes of Ray that nobody here looks at, where a run starts a Ray of its own.

In: nothing. Out: a context in which `ray.init` starts a head without three helpers, each of which imports all of Ray
(half a CPU second to a whole one), is waited for, and wakes up several times a second for as long as the run lasts:

- the **autoscaler monitor**: there are no nodes to bring up;
- the **log monitor**: it carries what workers print to the driver, which has asked not to be told (`log_to_driver`).
  Errors reach the driver with the answers of their calls, and every line is in the log files, with or without it;
- the **dashboard's server**, unless it is wanted: with `include_dashboard=False` Ray starts it for usage statistics
  alone, which are off.

`ray start` has switches for the first two (`--no-monitor`, `--include-log-monitor=false`), `ray.init` has none, and
nobody has one for the third. So for as long as the context is open names of Ray's private modules stand for others; one
more stands for a look at whether the libraries of the dashboard are there, which imports all of them (0.35 s).
A Ray that is joined is not touched, nor is one of a version that this was not tried with: it starts all it has.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

LEAN_ENVIRONMENT = {
    "RAY_prestart_worker_first_driver": "0",  # workers nobody asked for, beside a busy engine
    "RAY_worker_niceness": "0",  # at 15, Ray's choice, an engine waits for every other program of the machine
}
"""What the processes that are left need not do or be either; a variable that the user has set stays."""
_WITHOUT_DASHBOARD = {
    "RAY_enable_metrics_collection": "0",  # of every Ray process, for a Prometheus
    "REPORTER_UPDATE_INTERVAL_MS": "3600000",  # the agent's look at all processes of the machine, for the dashboard
}
"""What nobody needs where there is no dashboard."""
_TRIED_WITH = "2.60."
"""The versions of Ray whose private names are known."""
_NOBODY = b"127.0.0.1:0"
"""An address where nobody can listen. Ray's agent of a node asks for the dashboard's once a second until it has one."""


@contextlib.contextmanager
def only_needed_processes(*, dashboard: bool = False) -> Iterator[None]:
    """Has `ray.init` start no process that a run of ours does not need.

    Args:
        dashboard: whether the dashboard is wanted.
    """
    import ray
    from ray._private import parameter, services, utils

    for name, value in (LEAN_ENVIRONMENT if dashboard else LEAN_ENVIRONMENT | _WITHOUT_DASHBOARD).items():
        os.environ.setdefault(name, value)
    if not ray.__version__.startswith(_TRIED_WITH):
        yield
        return
    without_monitors = functools.partial(parameter.RayParams, no_monitor=True, include_log_monitor=False)
    if dashboard:
        with _replaced(parameter, "RayParams", without_monitors):
            yield
        return
    with (
        _replaced(parameter, "RayParams", without_monitors),
        _replaced(services, "start_api_server", _no_dashboard),
        _replaced(utils, "get_dashboard_dependency_error", _are_there),
    ):
        yield


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _no_dashboard(*arguments: Any, **_options: Any) -> tuple[str, None]:
    """Stands for `ray._private.services.start_api_server`; returns the dashboard's address, "", and no process."""
    from ray._private import ray_constants, services

    gcs_address, cluster_id = arguments[3:5]
    client = services.GcsClient(address=gcs_address, cluster_id=cluster_id)
    key, namespace = ray_constants.DASHBOARD_ADDRESS.encode(), ray_constants.KV_NAMESPACE_DASHBOARD
    client.internal_kv_put(key, _NOBODY, True, namespace)
    return "", None


def _are_there() -> None:
    """Stands for `ray._private.utils.get_dashboard_dependency_error`: `ray[default]` is among our requirements."""
