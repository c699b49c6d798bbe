"""`hydra/launcher=ray`: the points of `synthmill -m`, some at a time, each a run in a process of its own.

In: what Hydra made of `-m` and its overrides. Out: finished points, or an exit code at the end of all of them. The
launcher itself takes no CPU of Ray's: a point starts a Ray of its own, with its share of the cores, or joins the one of
`cluster.address`, which divides what it has among all of them.

Annotations are evaluated here (no `from __future__ import annotations`): Hydra runs the module before it is among
`sys.modules`, where dataclasses would look up what a text names.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from engine.sweeps.points import Point


@dataclass
class RayLauncherConfig:
    """The settings of the launcher: `hydra.launcher.*`."""

    _target_: str = f"{__name__}.RayLauncher"
    concurrency: int = 0
    """Points that run at a time; 0: two, or one where each would take the same GPU."""


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConfig, provider="synthmill")


class RayLauncher(Launcher):
    """Runs every point, and ends with an exit code where some did not finish."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._context: Any = None
        self._config: Any = None

    def setup(self, *, hydra_context: "HydraContext", task_function: "TaskFunction", config: "DictConfig") -> None:
        """Takes what `launch` needs; the task itself is not called here, but by the command of each point."""
        del task_function
        self._context, self._config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs one point for each list of overrides.

        Raises:
            SystemExit: a point failed, or could not finish; all others were run. Or what no point can do is refused:
                runs behind a URL, metrics of several points at one port, fewer than no points at a time.
        """
        del initial_job_idx  # all points come in one call
        from engine.command_line.output import exit_codes_in_hydra

        with exit_codes_in_hydra():
            return self._launch(job_overrides)

    def _launch(self, job_overrides: Sequence[Sequence[str]]) -> Sequence[JobReturn]:
        from engine.command_line.compose import load_config
        from engine.command_line.written import mask_file
        from engine.runtime.console import Console
        from engine.sweeps.launch import launch, tell
        from engine.sweeps.process import check_concurrency, check_ports, points_at_a_time

        check_concurrency(self._concurrency, "hydra.launcher.concurrency")
        mask_file(Path(self._config.hydra.sweep.dir) / "multirun.yaml")
        at_a_time = points_at_a_time(self._concurrency, self._config.cluster.address)
        shared = set.intersection(*map(set, job_overrides))
        check_ports(map(self._port, job_overrides), at_a_time, "hydra.launcher.concurrency")
        points = [self._point(overrides, shared, at_a_time) for overrides in job_overrides]
        console = Console()
        outcomes = launch(points, at_a_time, lambda arguments: load_config(arguments)[0], console)
        if code := tell(outcomes, console):
            raise SystemExit(code)
        return [JobReturn(overrides=overrides, status=JobStatus.COMPLETED) for overrides in job_overrides]

    def _port(self, overrides: Sequence[str]) -> int:
        config = self._context.config_loader.load_sweep_config(self._config, list(overrides))
        return int(config.watch.metrics_port)

    def _point(self, overrides: Sequence[str], shared: set[str], at_a_time: int) -> "Point":
        from engine.command_line.config_files import as_typed
        from engine.runtime.secrets import redacted
        from engine.sweeps.points import Point, grid_folder, require_path_here
        from engine.sweeps.written import as_override, replacing

        config = self._context.config_loader.load_sweep_config(self._config, list(overrides))
        names = str(config.hydra.job.override_dirname) or "0"
        one_by_one = "leave hydra/launcher out (points run one after the other), or "
        require_path_here(config.run_dir or config.runs_dir, one_by_one)
        run_dir = Path(grid_folder(config.run_dir, config.runs_dir, config.name, names)).expanduser().absolute()
        for_hydra = [text for text in self._config.hydra.overrides.hydra if text.startswith("hydra.searchpath=")]
        its_own = [*for_hydra, as_override("run_dir", str(run_dir))]
        if config.cluster.address == "local" and not config.cluster.num_cpus and at_a_time > 1:
            cores = len(os.sched_getaffinity(0))
            its_own.append(as_override("cluster.num_cpus", max(1, cores // at_a_time)))
        if not config.tracking.group:
            its_own.append(as_override("tracking.group", config.name))
        arguments = replacing([*map(as_typed, overrides)], its_own)
        label = " ".join(text for text in overrides if text not in shared) or names
        return Point(redacted(label), tuple(arguments), run_dir)
