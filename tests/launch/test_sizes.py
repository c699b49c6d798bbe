"""Engines that no node could hold are refused before a node is paid for, and GPUs are counted by the node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.launch.config import LaunchConfig
from engine.launch.sizes import check_sizes, check_workers, engine_gpus, gpus_to_count_on, node_kinds
from engine.runtime.capacity import Node, gpu_slots
from engine.runtime.cluster import Launcher
from tests.support.paths import ROOT

CLUSTER_YAML = str(ROOT / "cluster.yaml")
BY_SETTINGS = [Launcher.kuberay, Launcher.slurm]


def make(**settings: Any) -> GeneratorConfig:
    return GeneratorConfig(seed=0, **settings)


def mixed(**settings: Any) -> GeneratorConfig:
    return make(gpus_per_engine=1.0, mix={"small": {"share": 0.5}, "large": {"share": 0.5, **settings}})


def refused(launcher: Launcher, samples: GeneratorConfig, config: LaunchConfig) -> tuple[str, str]:
    """Where an engine is refused, and what to do about it."""
    with pytest.raises(UserError, match="is more than a node has, and no node could ever hold it") as refusal:
        check_sizes(launcher, samples, config)
    return refusal.value.where, refusal.value.remedy


@pytest.mark.parametrize("launcher", BY_SETTINGS)
def test_an_engine_that_is_larger_than_a_node_is_refused(launcher: Launcher) -> None:
    nodes = LaunchConfig(nodes=4, gpus_per_node=2, cpus_per_node=8)
    for fits in (make(), make(gpus_per_engine=2, cpus_per_engine=8), make(gpus_per_engine=0.5), mixed()):
        check_sizes(launcher, fits, nodes)
    where, remedy = refused(launcher, make(gpus_per_engine=4), nodes)
    assert where == "samples.gpus_per_engine=4", "four nodes have eight, but none has four"
    assert remedy == "set it to at most launch.gpus_per_node=2, or raise that to what the nodes have"
    where, remedy = refused(launcher, make(cpus_per_engine=9), nodes)
    assert where == "samples.cpus_per_engine=9"
    assert remedy == "set it to at most launch.cpus_per_node=8, or raise that to what the nodes have"
    without = LaunchConfig(gpus_per_node=0)
    assert refused(launcher, make(gpus_per_engine=0.5), without)[0] == "samples.gpus_per_engine=0.5"
    check_sizes(launcher, make(cpus_per_engine=8), without)


@pytest.mark.parametrize("launcher", BY_SETTINGS)
def test_an_engine_of_a_mix_is_named_by_its_own_key(launcher: Launcher) -> None:
    nodes = LaunchConfig(gpus_per_node=2, cpus_per_node=8)
    assert refused(launcher, mixed(gpus_per_engine=4.0), nodes)[0] == "samples.mix.large.gpus_per_engine=4"
    assert refused(launcher, mixed(cpus_per_engine=16), nodes)[0] == "samples.mix.large.cpus_per_engine=16"


@pytest.mark.parametrize(
    ("launcher", "nodes", "share", "most"),
    [
        (Launcher.slurm, LaunchConfig(nodes=2, gpus_per_node=4), 1.0, 8),
        (Launcher.kuberay, LaunchConfig(nodes=2, gpus_per_node=4), 1.0, 8),
        (Launcher.slurm, LaunchConfig(nodes=2, gpus_per_node=0, cpus_per_node=8), 1.0, 16),
        (Launcher.slurm, LaunchConfig(nodes=2, gpus_per_node=4, cpus_per_node=8), 0.0, 16),
        (Launcher.kuberay, LaunchConfig(nodes=1, gpus_per_node=0, cpus_per_node=4), 1.0, 8),
        (Launcher.kuberay, LaunchConfig(nodes=1, gpus_per_node=0, cpus_per_node=4, queue="team"), 1.0, 4),
        (Launcher.kuberay, LaunchConfig(nodes=1, gpus_per_node=2, cpus_per_node=4, queue="team"), 0.0, 8),
    ],
)
def test_more_training_processes_than_all_nodes_hold_are_refused(
    launcher: Launcher, nodes: LaunchConfig, share: float, most: int
) -> None:
    for count in (0, 1, most):
        check_workers(launcher, count, share, nodes)
    with pytest.raises(UserError, match="more than all nodes together could ever hold") as refusal:
        check_workers(launcher, most + 1, share, nodes)
    assert refusal.value.where == f"model.num_workers={most + 1}"
    assert refusal.value.remedy == f"set it to at most {most}, or raise launch.nodes={nodes.nodes}"
    check_workers(Launcher.ray, most + 1, share, nodes)


@pytest.mark.parametrize(
    ("kinds", "share", "most"),
    [
        ("gpu: {max_workers: 2, resources: {GPU: 4}}", 1.0, 8),
        ("gpu: {max_workers: 2, resources: {GPU: 4}}", 0.5, 16),
        ("gpu: {max_workers: 2, resources: {GPU: 4}}, spot: {max_workers: 2, resources: {GPU: 1}}", 1.0, 9),
        ("gpu: {max_workers: 1, resources: {GPU: 4}}, cpu: {max_workers: 2, resources: {CPU: 16, GPU: 0}}", 1.0, 4),
        ("gpu: {resources: {GPU: 2}}", 1.0, 6),
        ("cpu: {max_workers: 1, resources: {CPU: 16, GPU: 0}}", 1.0, 18),
        ("gpu: {max_workers: 1, resources: {CPU: 8, GPU: 4}}", 0.0, 10),
    ],
)
def test_more_training_processes_than_a_file_may_bring_up_are_refused(
    kinds: str, share: float, most: int, tmp_path: Path
) -> None:
    head = "head: {resources: {CPU: 2, GPU: 0}}"
    nodes = LaunchConfig(cluster_yaml=str(tmp_path / "cluster.yaml"))
    text = f"{{max_workers: 3, head_node_type: head, available_node_types: {{{head}, {kinds}}}}}"
    (tmp_path / "cluster.yaml").write_text(text)
    for count in (0, 1, most):
        check_workers(Launcher.aws, count, share, nodes)
    with pytest.raises(UserError, match="more than all nodes together could ever hold") as refusal:
        check_workers(Launcher.aws, most + 1, share, nodes)
    remedy = f"set it to at most {most}, or name more instances (max_workers) in launch.cluster_yaml="
    assert refusal.value.remedy.startswith(remedy)


def test_the_workers_of_the_file_that_ships_are_its_gpus() -> None:
    nodes = LaunchConfig(cluster_yaml=CLUSTER_YAML)
    check_workers(Launcher.aws, 8, 1.0, nodes)
    with pytest.raises(UserError, match=r"^model\.num_workers=9: is more than all nodes .* at most 8, or name more"):
        check_workers(Launcher.aws, 9, 1.0, nodes)


def test_of_a_ray_that_runs_nothing_is_known() -> None:
    assert node_kinds(Launcher.ray, LaunchConfig()) == []
    check_sizes(Launcher.ray, make(gpus_per_engine=64, cpus_per_engine=512), LaunchConfig())


def test_instances_of_aws_are_those_of_the_file() -> None:
    nodes = LaunchConfig(cluster_yaml=CLUSTER_YAML)
    assert node_kinds(Launcher.aws, nodes) == [Node(0), Node(16), Node(8, 1), Node(8, 1)]
    check_sizes(Launcher.aws, make(gpus_per_engine=1, cpus_per_engine=8), nodes)
    check_sizes(Launcher.aws, make(gpus_per_engine=0, cpus_per_engine=16), nodes)
    where, remedy = refused(Launcher.aws, make(gpus_per_engine=2), nodes)
    assert (where, remedy.partition(",")[0]) == ("samples.gpus_per_engine=2", "set it to at most 1")
    assert remedy.endswith(f"in launch.cluster_yaml={CLUSTER_YAML}")
    for with_a_gpu in (make(gpus_per_engine=1, cpus_per_engine=16), make(cpus_per_engine=16)):
        where, remedy = refused(Launcher.aws, with_a_gpu, nodes)
        assert (where, remedy.partition(",")[0]) == ("samples.cpus_per_engine=16", "set it to at most 8")
    check_sizes(Launcher.aws, make(cpus_per_engine=16, generator=GeneratorKind.fake), nodes)
    driver = LaunchConfig(cluster_yaml=CLUSTER_YAML, driver_cpus=17)
    assert refused(Launcher.aws, make(), driver)[0] == "launch.driver_cpus=17"


@pytest.mark.parametrize(
    "text",
    [
        "available_node_types: {head: {}, gpu: {node_config: {InstanceType: p5.48xlarge}}}",
        "available_node_types: {gpu: {resources: {CPU: many}, node_config: []}}",
        "available_node_types: [gpu]",
        "- gpu",
        "",
    ],
)
def test_what_a_file_does_not_say_is_left_to_ray(text: str, tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(text)
    for name in ("cluster.yaml", "there-is-none.yaml"):
        nodes = LaunchConfig(cluster_yaml=str(tmp_path / name), driver_cpus=64)
        check_sizes(Launcher.aws, make(gpus_per_engine=8, cpus_per_engine=64), nodes)
        assert gpus_to_count_on(Launcher.aws, nodes, {8.0}, most=4) == 4
    nodes = LaunchConfig(cluster_yaml=str(tmp_path / "there-is-none.yaml"))
    check_workers(Launcher.aws, 1000, 1.0, nodes)


def test_a_number_that_is_none_is_what_a_file_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(
        "{max_workers: .inf, available_node_types: {a: {max_workers: .nan, resources: {CPU: 8, GPU: 1}}}}"
    )
    nodes = LaunchConfig(cluster_yaml=str(tmp_path / "cluster.yaml"))
    check_workers(Launcher.aws, 2, 1.0, nodes)
    assert gpus_to_count_on(Launcher.aws, nodes, {1.0}, most=4) == 2


def test_a_thousand_pods_are_counted_at_once() -> None:
    began = time.monotonic()
    assert gpus_to_count_on(Launcher.kuberay, LaunchConfig(nodes=1000, gpus_per_node=8), {3.0}) == 6002
    assert time.monotonic() - began < 1


def test_training_on_instances_of_unknown_size_is_left_to_ray(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("available_node_types: {gpu: {node_config: {InstanceType: p5.48xlarge}}}")
    check_workers(Launcher.aws, 1000, 1.0, LaunchConfig(cluster_yaml=str(tmp_path / "cluster.yaml")))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("available_node_types: {")
    with pytest.raises(UserError, match=r"^launch\.cluster_yaml=.*: is no YAML .*; name a file for `ray up`"):
        check_sizes(Launcher.aws, make(), LaunchConfig(cluster_yaml=str(tmp_path / "cluster.yaml")))


@pytest.mark.parametrize(
    ("nodes", "per_node", "sizes", "gpus"),
    [
        (2, 3, {2}, 5),
        (2, 3, {1, 2}, 5),
        (4, 3, {2}, 9),
        (4, 8, {4, -1}, 32),
        (6, 4, {-1}, 24),
        (2, 3, {0.5, 0}, 6),
        (2, 0, {-1}, 0),
    ],
)
def test_gpus_are_counted_by_the_node(nodes: int, per_node: int, sizes: set[float], gpus: int) -> None:
    config = LaunchConfig(nodes=nodes, gpus_per_node=per_node)
    assert gpus_to_count_on(Launcher.kuberay, config, sizes) == gpus
    for size in (size for size in sizes if size > 0):
        assert gpu_slots(gpus, size) <= nodes * gpu_slots(per_node, size)


@pytest.mark.parametrize(
    ("kinds", "most", "sizes", "gpus"),
    [
        ("a: {max_workers: 2, resources: {GPU: 3}}", 6, {2.0}, 5),
        ("a: {max_workers: 2, resources: {GPU: 3}}, b: {max_workers: 2, resources: {GPU: 3}}", 6, {2.0}, 5),
        ("a: {max_workers: 2, resources: {GPU: 3}}, b: {max_workers: 1, resources: {GPU: 4}}", 4, {2.0}, 4),
        ("a: {max_workers: 1, resources: {GPU: 1}}, b: {max_workers: 1, resources: {GPU: 8}}", 9, {4.0, -1.0}, 9),
        ("a: {max_workers: 2, resources: {GPU: 1}}", 4, {-1.0}, 2),
        ("a: {max_workers: 2, resources: {GPU: 8}}", 4, {2.0}, 4),
        ("a: {max_workers: 2, resources: {GPU: 3}}", 6, {0.0}, 6),
        ("a: {max_workers: 2, resources: {GPU: 0}}", 4, {-1.0}, 0),
        ("a: {max_workers: 9, resources: {GPU: 1}}", 9, {1.0}, 8),
    ],
)
def test_gpus_of_a_file_are_counted_by_the_instance(
    kinds: str, most: int, sizes: set[float], gpus: int, tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text(f"{{max_workers: 8, available_node_types: {{{kinds}}}}}")
    nodes = LaunchConfig(cluster_yaml=str(tmp_path / "cluster.yaml"))
    assert gpus_to_count_on(Launcher.aws, nodes, sizes, most) == gpus


def test_the_sizes_of_engines_are_those_of_all_generators() -> None:
    assert engine_gpus(make()) == {-1}
    assert engine_gpus(mixed(gpus_per_engine=2.0)) == {1, 2}
