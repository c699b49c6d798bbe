"""What the nodes of a job hold, and what of a run no node could ever hold: refused here, where it costs nothing.

In: the settings of engines, and the sizes of nodes, from `launch.*` or, on AWS, from the file for `ray up`. Out: an
error that names the key; and the GPUs that a run may count on while no node with one is up. A cluster that brings nodes
up on demand would be waited for until the job's time is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_RAYS_WORKERS = 2
"""The workers that `ray up` allows in all where the file does not say it."""
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
        config: the nodes; on AWS the file that says how many of each kind may come up.

    Raises:
        UserError: more processes are asked for than there can be.
    """
    if launcher is Launcher.aws:
        head, workers = _nodes_of_file(config.cluster_yaml)
        gpus = share if any(node.gpus for node in (*head, *workers)) else 0.0
        places = sorted((_places(node, gpus) for node in workers), reverse=True)[: _most_workers(config.cluster_yaml)]
        most = sum(places) + sum(_places(node, gpus) for node in head)
        remedy = f"or name more instances (max_workers) in launch.cluster_yaml={config.cluster_yaml}"
        if not (head or workers):
            return
    elif launcher in _BY_SETTINGS:
        gpus = share if config.gpus_per_node else 0.0
        node = Node(config.cpus_per_node, config.gpus_per_node)
        most = _most_nodes(launcher, config, gpus) * _places(node, gpus)
        remedy = f"or raise launch.nodes={config.nodes}"
    else:
        return
    if count > most:
        remedy = f"set it to at most {most:g}, {remedy}"
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


def gpus_to_count_on(launcher: Launcher, config: LaunchConfig, sizes: Iterable[float], most: int = 0) -> int:
    """Returns how many GPUs a run may count on that counts them as if one machine had them all.

    With all GPUs it would count engines that lie across nodes: 3 of 2 GPUs each on two nodes of 3 GPUs, which hold 2.

    Args:
        launcher: the kind of cluster, KubeRay or AWS.
        config: the nodes; on AWS the file that has them.
        sizes: the GPUs of engines; negative where the run chooses, which then is one.
        most: the GPUs that may come up, of all that the file names, since some of its kinds stand in for others
            (`cluster.gpus_on_demand`); of pods all may. It is what is returned where the file does not say the sizes.
    """
    nodes = [Node(config.cpus_per_node, config.gpus_per_node)] * config.nodes
    if launcher is Launcher.aws:
        head, workers = _nodes_of_file(config.cluster_yaml)
        nodes = [*head, *workers]
        if not nodes or any(math.isinf(node.gpus) for node in nodes):
            return most
    held = [int(node.gpus) for node in nodes if node.gpus]
    there = min(most, sum(held)) if launcher is Launcher.aws else sum(held)
    asked = {size if size > 0 else 1.0 for size in sizes if size}
    fitting = {size: _most_engines(held, there, size) for size in asked}
    counts = range(there, 0, -1)
    return next((gpus for gpus in counts if all(gpu_slots(gpus, size) <= fitting[size] for size in asked)), 0)


def engine_gpus(samples: GeneratorConfig) -> set[float]:
    """Returns the sizes of a run's engines in GPUs, of all generators of a mix."""
    return {engine.gpus_per_engine for _, engine in _engines(samples)}


def _most_nodes(launcher: Launcher, config: LaunchConfig, gpus: float) -> int:
    """Returns how many nodes there may be that train: those with GPUs, or all, of which a RayJob has some without."""
    if launcher is Launcher.slurm or gpus:
        return config.nodes
    without = 1 if config.queue else max(config.nodes, 2)
    return without + (config.nodes if config.gpus_per_node else 0)


def _most_engines(nodes: Sequence[int], gpus: int, size: float) -> int:
    """Returns how many engines of a size fit as many nodes as have so many GPUs, chosen so that most do.

    Where all nodes come up, as pods do, there is nothing to choose, and of a thousand nodes a choice takes long.

    Args:
        nodes: the GPUs of each node that may come up.
        gpus: how many GPUs are wanted; the last node comes up whole, where it has more than are missing.
        size: the GPUs of an engine.
    """
    if gpus >= sum(nodes):
        return sum(gpu_slots(node, size) for node in nodes)
    best = [0] * (gpus + 1)
    for node in nodes:
        for left in range(gpus, 0, -1):
            best[left] = max(best[left], gpu_slots(node, size) + best[max(0, left - node)])
    return best[gpus]


def _places(node: Node, gpus: float) -> float:
    """Returns how many training processes a node holds, by GPUs or by cores; infinite where these are not known."""
    held = node.gpus if gpus else node.cpus
    return held if math.isinf(held) else gpu_slots(held, gpus or 1.0)


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
    """Returns a node of each kind of a file for `ray up`; none where there is no such file."""
    return [_instance(kind) for kind in _kinds(_read(cluster_yaml)).values()]


def _nodes_of_file(cluster_yaml: str) -> tuple[list[Node], list[Node]]:
    """Returns the head of a file for `ray up`, and the workers that may come up, were there no limit for all of them.

    What the file leaves out is as Ray has it: of a kind there may be as many as of all kinds together, but no worker of
    that of the head.
    """
    cluster = _read(cluster_yaml)
    kinds, head, in_all = _kinds(cluster), str(cluster.get("head_node_type")), _most_workers(cluster_yaml)
    workers = list[Node]()
    for name, kind in kinds.items():
        most = _number(_mapping(kind).get("max_workers"), 0 if name == head else in_all)
        workers += [_instance(kind)] * min(int(most), in_all)
    return [_instance(kinds[head])] if head in kinds else [], workers


def _most_workers(cluster_yaml: str) -> int:
    """Returns how many workers of all kinds together a file for `ray up` allows."""
    return int(_number(_read(cluster_yaml).get("max_workers"), _RAYS_WORKERS))


def _read(cluster_yaml: str) -> Mapping[str, Any]:
    """Reads a file for `ray up`; nothing where there is no such file, which `ray up` itself says."""
    file = Path(in_home(cluster_yaml, "launch.cluster_yaml"))
    if not file.is_file():
        return {}
    try:
        return _mapping(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        remedy = "name a file for `ray up`, such as cluster.yaml of synthmill"
        raise UserError(f"is no YAML ({error})", where=f"launch.cluster_yaml={cluster_yaml}", remedy=remedy) from error


def _kinds(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(cluster.get("available_node_types"))


def _instance(kind: object) -> Node:
    """Makes a node of a type; what it does not name Ray finds out from AWS, and is infinite here."""
    resources = _mapping(_mapping(kind).get("resources"))
    machine = _mapping(_mapping(kind).get("node_config")).get("InstanceType")
    has_none = isinstance(machine, str) and not machine.startswith(_WITH_GPUS)
    return Node(_number(resources.get("CPU"), math.inf), _number(resources.get("GPU"), 0.0 if has_none else math.inf))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object, unknown: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else unknown
