"""What the nodes of a job hold, and what of a run no node could ever hold: refused here, where it costs nothing.

In: the settings of engines, and the sizes of nodes, from `launch.*` or, on AWS, from the file for `ray up`. Out: an
error that names the key; and the GPUs that a run may count on while no node with one is up. A cluster that brings nodes
up on demand would be waited for until the job's time is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.errors import UserError
from engine.generation.config import GROUP, GeneratorConfig, GeneratorKind, generator_configs
from engine.launch.config import LaunchConfig, in_home
from engine.runtime.capacity import Node, gpu_slots
from engine.runtime.cluster import Launcher

_WITH_GPUS = ("g", "p", "dl")
"""How the names of AWS's instance types with accelerators that Ray counts as GPUs begin."""
_BY_SETTINGS = (Launcher.kuberay, Launcher.slurm)
"""The clusters whose nodes are as large as `launch.*` says."""
_NEVER = "is more than a node has, and no node could ever hold it"


def check_sizes(launcher: Launcher, samples: GeneratorConfig, config: LaunchConfig) -> None:
    """Refuses engines, of a mix too, and on AWS a driver, that fit no node of the cluster.

    Judges and other models that are asked beside the generator have engines of the generator's size.

    Args:
        launcher: the kind of cluster.
        samples: the settings of the engines.
        config: the sizes of nodes, or the file that has them.

    Raises:
        UserError: one is larger than each node, or the file of the nodes is no YAML.
    """
    nodes = node_kinds(launcher, config)
    if not nodes:
        return
    if launcher is Launcher.aws and config.driver_cpus > (most := max(node.cpus for node in nodes)):
        where = f"launch.driver_cpus={config.driver_cpus:g}"
        raise UserError(_NEVER, where=where, remedy=_remedy(launcher, config, "cpus", most))
    for key, engine in _engines(samples):
        gpus, most = engine.gpus_per_engine, max(node.gpus for node in nodes)
        if gpus > most:
            where = f"{key}.gpus_per_engine={gpus:g}"
            raise UserError(_NEVER, where=where, remedy=_remedy(launcher, config, "gpus", most))
        if gpus < 0:
            has_model = engine.generator is not GeneratorKind.fake
            gpus = 1.0 if has_model and 1 <= most < math.inf else 0.0
        most = max(node.cpus for node in nodes if node.gpus >= gpus)
        if engine.cpus_per_engine > most:
            where = f"{key}.cpus_per_engine={engine.cpus_per_engine}"
            raise UserError(_NEVER, where=where, remedy=_remedy(launcher, config, "cpus", most))


def check_workers(launcher: Launcher, count: int, share: float, config: LaunchConfig) -> None:
    """Refuses training processes that all nodes of the cluster together cannot hold.

    Args:
        launcher: the kind of cluster.
        count: `model.num_workers`, the number of processes; 0 stands for as many as there is room for.
        share: `model.gpus_per_worker`, the GPU that each takes where there are any.
        config: the nodes; on AWS nothing is refused, where the file of the nodes alone does not say how many come up.

    Raises:
        UserError: more processes are asked for than there can be.
    """
    if launcher not in _BY_SETTINGS:
        return
    gpus = share if config.gpus_per_node else 0.0
    per_node = gpu_slots(config.gpus_per_node, gpus) if gpus else config.cpus_per_node
    if count > (most := _most_nodes(launcher, config, gpus) * per_node):
        remedy = f"set it to at most {most}, or raise launch.nodes={config.nodes}"
        where = f"model.num_workers={count}"
        raise UserError("is more than all nodes together could ever hold", where=where, remedy=remedy)


def node_kinds(launcher: Launcher, config: LaunchConfig) -> list[Node]:
    """Returns one node of each kind, its CPUs or GPUs infinite where they are not known; none for a cluster that runs.

    Raises:
        UserError: the file of the nodes is no YAML.
    """
    if launcher in _BY_SETTINGS:
        return [Node(config.cpus_per_node, config.gpus_per_node)]
    return _instances(config.cluster_yaml) if launcher is Launcher.aws else []


def gpus_to_count_on(config: LaunchConfig, sizes: Iterable[float]) -> int:
    """Returns how many GPUs a run may count on that counts them as if one machine had them all.

    With all GPUs it would count engines that lie across nodes: 3 of 2 GPUs each on two nodes of 3 GPUs, which hold 2.

    Args:
        config: the nodes.
        sizes: the GPUs of engines; negative where the run chooses, which then is one.
    """
    asked = [size for size in sizes if size > 0]
    per_node = config.gpus_per_node
    most = {size: config.nodes * gpu_slots(per_node, size) for size in asked}
    counts = range(config.nodes * per_node, 0, -1)
    return next((gpus for gpus in counts if all(gpu_slots(gpus, size) <= most[size] for size in asked)), 0)


def engine_gpus(samples: GeneratorConfig) -> set[float]:
    """Returns the sizes of a run's engines in GPUs, of all generators of a mix."""
    return {engine.gpus_per_engine for _, engine in _engines(samples)}


def _most_nodes(launcher: Launcher, config: LaunchConfig, gpus: float) -> int:
    """Returns how many nodes there may be that train: those with GPUs, or all, of which a RayJob has some without."""
    if launcher is Launcher.slurm or gpus:
        return config.nodes
    without = 1 if config.queue else max(config.nodes, 2)
    return without + (config.nodes if config.gpus_per_node else 0)


def _engines(samples: GeneratorConfig) -> Iterator[tuple[str, GeneratorConfig]]:
    """Yields the settings of each kind of engine with the key that they stand under; what several share comes first."""
    yield GROUP, samples
    for name, engine in generator_configs(samples).items():
        yield f"{GROUP}.mix.{name}", engine


def _remedy(launcher: Launcher, config: LaunchConfig, kind: str, most: float) -> str:
    if launcher in _BY_SETTINGS:
        return f"set it to at most launch.{kind}_per_node={most:g}, or raise that to what the nodes have"
    return f"set it to at most {most:g}, or name larger instances in launch.cluster_yaml={config.cluster_yaml}"


def _instances(cluster_yaml: str) -> list[Node]:
    """Reads the kinds of nodes of a file for `ray up`; none where there is no such file, which `ray up` itself says."""
    file = Path(in_home(cluster_yaml, "launch.cluster_yaml"))
    if not file.is_file():
        return []
    try:
        cluster = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        remedy = "name a file for `ray up`, such as cluster.yaml of synthmill"
        raise UserError(f"is no YAML ({error})", where=f"launch.cluster_yaml={cluster_yaml}", remedy=remedy) from error
    return [_instance(kind) for kind in _mapping(_mapping(cluster).get("available_node_types")).values()]


def _instance(kind: object) -> Node:
    """Makes a node of a type; what it does not name Ray finds out from AWS, and is infinite here."""
    resources = _mapping(_mapping(kind).get("resources"))
    machine = _mapping(_mapping(kind).get("node_config")).get("InstanceType")
    has_none = isinstance(machine, str) and not machine.startswith(_WITH_GPUS)
    return Node(_number(resources.get("CPU"), math.inf), _number(resources.get("GPU"), 0.0 if has_none else math.inf))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object, unknown: float) -> float:
    return float(value) if isinstance(value, int | float) else unknown
