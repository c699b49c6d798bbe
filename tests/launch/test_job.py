"""What each kind of cluster is told: against its schema, and read by the shell and the programs that will read it."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from engine.errors import UserError
from engine.launch.config import LaunchConfig
from engine.launch.job import AWS_BIN, make_job
from engine.runtime.cluster import Launcher

SCHEMA = json.loads((Path(__file__).parent / "rayjob_schema.json").read_text())
AWKWARD = [
    "collection=/shared/my docs",
    'task.instruction="say \\"yes\\" & go"',
    "examples.filters={a: 'b c', d: $HOME}",
    "model.base=`id`",
    "x=a;b|c>d #e: f",
    "y=\\",
    "z=질문 {{ row.body }} %",
]
"""Overrides with everything that a shell, YAML or a template could take for its own."""
SUBMIT = ["ray", "job", "submit", "--address", "http://head:8265", "--entrypoint-num-cpus", "1", "--"]
KUBE = LaunchConfig(image="registry/synthmill:1", claim="shared")


def rayjob(config: LaunchConfig = KUBE, overrides: list[str] = AWKWARD) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load(make_job(Launcher.kuberay, overrides, config, "adapt").text)
    jsonschema.validate(manifest, SCHEMA)
    return manifest


def pods(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod of each group."""
    cluster = manifest["spec"]["rayClusterSpec"]
    groups = {"head": cluster["headGroupSpec"]} | {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def words_of(command: str) -> list[str]:
    """The words that a shell passes on; /bin/sh is what Ray runs an entrypoint with."""
    program, _, rest = command.partition(" ")
    assert program
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {rest}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


# KubeRay


def test_a_rayjob_fits_the_schema_and_runs_what_was_asked_for() -> None:
    spec = rayjob()["spec"]
    assert words_of(spec["entrypoint"]) == [*AWKWARD, "cluster.gpus_on_demand=1"]
    assert (spec["shutdownAfterJobFinishes"], spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (True, 3, 600)
    assert spec["entrypointNumCpus"] == 1
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0", "so the driver is not there"


def test_the_schema_does_refuse() -> None:
    manifest = rayjob()
    manifest["spec"]["backoffLimits"] = 3
    with pytest.raises(jsonschema.ValidationError, match="backoffLimits"):
        jsonschema.validate(manifest, SCHEMA)


def test_gpu_nodes_come_from_zero_and_the_driver_is_on_none_of_them() -> None:
    manifest = rayjob(LaunchConfig(image="i", claim="c", nodes=6, gpus_per_node=4))
    cluster = manifest["spec"]["rayClusterSpec"]
    cpu, gpu = cluster["workerGroupSpecs"]
    assert (cluster["enableInTreeAutoscaling"], cluster["autoscalerOptions"]["version"]) == (True, "v2")
    assert (gpu["replicas"], gpu["minReplicas"], gpu["maxReplicas"]) == (0, 0, 6)
    assert cpu["minReplicas"] == 1
    limits = {name: pod["containers"][0]["resources"]["limits"] for name, pod in pods(manifest).items()}
    assert limits["gpu"]["nvidia.com/gpu"] == "4"
    assert not any("nvidia.com/gpu" in limits[name] for name in ("head", "cpu"))


def test_the_run_knows_of_the_gpus_that_its_pods_may_have() -> None:
    def told(config: LaunchConfig, *overrides: str) -> list[str]:
        words = words_of(rayjob(config, list(overrides))["spec"]["entrypoint"])
        return [word for word in words if "gpus_on_demand" in word]

    assert told(LaunchConfig(image="i", nodes=6, gpus_per_node=4)) == ["cluster.gpus_on_demand=24"]
    assert told(LaunchConfig(image="i", nodes=6), "cluster.gpus_on_demand=2") == ["cluster.gpus_on_demand=2"]
    assert told(LaunchConfig(image="i", gpus_per_node=0)) == []
    assert "gpus_on_demand" not in make_job(Launcher.slurm, [], LaunchConfig(), "adapt").text, "there they are up"


def test_gpu_pods_may_be_on_spot_nodes_and_no_pod_is_moved_to_save_a_node() -> None:
    manifest = rayjob()
    taints = {each["key"] for each in pods(manifest)["gpu"]["tolerations"]}
    assert {"nvidia.com/gpu", "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"} == taints
    assert not any("tolerations" in pods(manifest)[kind] for kind in ("head", "cpu")), "what a run hangs on"
    cluster = manifest["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["metadata"]["annotations"] == {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
        }


def test_a_queue_of_kueue_admits_a_job_of_fixed_size() -> None:
    manifest = rayjob(LaunchConfig(image="i", claim="c", nodes=3, queue="research"))
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    cluster = manifest["spec"]["rayClusterSpec"]
    assert manifest["spec"]["suspend"]
    assert not cluster["enableInTreeAutoscaling"]
    assert [group["replicas"] for group in cluster["workerGroupSpecs"]] == [1, 3]


def test_a_job_of_a_queue_waits_for_no_further_pod() -> None:
    def told(config: LaunchConfig, *overrides: str) -> list[str]:
        words = words_of(rayjob(config, list(overrides))["spec"]["entrypoint"])
        return [word for word in words if word.startswith("cluster.")]

    queued = LaunchConfig(image="i", nodes=3, queue="research")
    assert told(queued) == ["cluster.autoscaling=false"], "what fits none of its pods is refused, not waited for"
    assert told(LaunchConfig(image="i", gpus_per_node=0, queue="research")) == ["cluster.autoscaling=false"]
    assert told(queued, "cluster.autoscaling=true") == ["cluster.autoscaling=true"], "where its jobs are elastic"


def test_pods_are_as_the_restricted_standard_of_kubernetes_wants_them() -> None:
    for pod in pods(rayjob()).values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


def test_ray_is_reached_with_a_token_alone_and_by_the_version_that_is_pinned() -> None:
    cluster = rayjob()["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    from importlib import metadata

    assert cluster["rayVersion"] == metadata.version("ray")


def test_secrets_volume_and_service_account_are_named_where_they_are_needed() -> None:
    config = LaunchConfig(image="i", claim="disk", environment_from="tokens", service_account="bucket-reader")
    of_kind = pods(rayjob(config))
    for kind, pod in of_kind.items():
        [container] = pod["containers"]
        secrets = [] if kind == "head" else [{"secretRef": {"name": "tokens"}}]
        assert container.get("envFrom", []) == secrets, "a name that is no Secret's must not pass for an empty one"
        assert pod.get("serviceAccountName") == (None if kind == "head" else "bucket-reader")
        assert ("volumes" in pod) is (kind != "head")
    assert of_kind["gpu"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "disk"}
    without = pods(rayjob(LaunchConfig(image="i")))
    assert not any("volumes" in pod or "envFrom" in pod["containers"][0] for pod in without.values())


def test_a_rayjob_without_an_image_or_with_a_folder_of_this_machine_is_refused() -> None:
    with pytest.raises(UserError, match=r"^launch\.image='': .*launch\.image=REGISTRY/synthmill:TAG"):
        make_job(Launcher.kuberay, [], LaunchConfig(), "adapt")
    with pytest.raises(UserError, match=r"^launch\.working_dir=\.: no pod sees this folder"):
        make_job(Launcher.kuberay, [], LaunchConfig(image="i", working_dir="."), "adapt")
    zipped = rayjob(LaunchConfig(image="i", working_dir="s3://bucket/conf.zip"))
    assert yaml.safe_load(zipped["spec"]["runtimeEnvYAML"]) == {"working_dir": "s3://bucket/conf.zip"}


@pytest.mark.parametrize(("cpus", "fault"), [(0, "puts the driver on the head"), (9, "the job would never start")])
def test_a_driver_that_no_worker_pod_would_have_is_refused(cpus: float, fault: str) -> None:
    with pytest.raises(UserError, match=rf"^launch\.driver_cpus={cpus}: .*{fault}"):
        make_job(Launcher.kuberay, [], LaunchConfig(image="i", cpus_per_node=8, driver_cpus=cpus), "adapt")


# Ray jobs, AWS, Slurm


def test_the_words_of_a_ray_job_are_those_of_the_run() -> None:
    text = make_job(Launcher.ray, AWKWARD, LaunchConfig(address="http://head:8265"), "adapt").text
    words = shlex.split(text)
    start = words.index("--")
    assert words[: start + 1] == SUBMIT
    assert words[start + 1 :] == ["synthmill", *AWKWARD]
    assert words_of(shlex.join(words[start + 1 :])) == AWKWARD, "Ray joins them so, for /bin/sh"


def test_a_driver_without_cpus_and_a_folder_to_send_along() -> None:
    text = make_job(Launcher.ray, [], LaunchConfig(driver_cpus=0, working_dir="my jobs"), "adapt").text
    assert "entrypoint-num-cpus" not in text
    assert "--working-dir 'my jobs' -- synthmill" in text


RAY_OF_AWS = """#!/bin/sh
for word in "$@"; do printf "%s\\0" "$word"; done
printf "\\n\\0"
if [ "$1" = rsync-up ]; then mkdir -p "$HEAD/home/ubuntu" && mkdir "$HEAD$4"; fi
"""
"""Says what it is asked, and makes of a folder on the head what rsync does: the last of its path."""


def on_aws(folder: Path, config: LaunchConfig) -> subprocess.CompletedProcess[str]:
    """Runs the commands in a folder, with a stand-in for `ray`."""
    text = make_job(Launcher.aws, AWKWARD, config, "adapt").text
    (folder / "ray").write_text(RAY_OF_AWS)
    (folder / "ray").chmod(0o755)
    command = ["bash", "-c", f"PATH={folder}:$PATH; export HEAD={folder}/head; {text}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_on_aws_the_job_is_submitted_on_the_head(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    done = on_aws(tmp_path, LaunchConfig(working_dir="mine/"))
    assert done.returncode == 0, done.stderr
    up, sent, executed = (call.split("\0") for call in done.stdout.removesuffix("\n\0").split("\n\0"))
    assert up[:4] == ["up", "--yes", "--no-restart", "cluster.yaml"], "another job may be running there"
    assert sent[:4] == ["rsync-up", "cluster.yaml", "mine/", "/home/ubuntu/job-adapt/"]
    assert executed[:2] == ["exec", "cluster.yaml"]
    words = shlex.split(executed[2])
    assert words[:5] == ["env", "RAY_AUTH_MODE=token", f"{AWS_BIN}/ray", "job", "submit"], "as the head wants it"
    assert words[words.index("--working-dir") + 1] == "/home/ubuntu/job-adapt"
    assert words[words.index("--") + 1 :] == [f"{AWS_BIN}/synthmill", *AWKWARD]


def test_nothing_is_brought_up_on_aws_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = on_aws(tmp_path, LaunchConfig(working_dir="my jobs"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "launch.working_dir=my jobs: no such folder here; name one that is sent along\n"


def test_the_home_folder_of_this_machine_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some one")
    text = make_job(Launcher.slurm, [], LaunchConfig(bin="~/bin", environment_from="~/variables"), "adapt").text
    assert "export PATH='/home/some one/bin':$PATH" in text
    assert "'/home/some one/bin/synthmill'" in text
    assert "variables='/home/some one/variables'" in text
    sent = LaunchConfig(working_dir="~/jobs", cluster_yaml="~/cluster.yaml")
    assert "--working-dir '/home/some one/jobs' --" in make_job(Launcher.ray, [], sent, "adapt").text
    on_the_head = make_job(Launcher.aws, [], sent, "adapt").text
    assert "ray rsync-up '/home/some one/cluster.yaml' '/home/some one/jobs'/ /home" in on_the_head
    assert "~" not in on_the_head
    with pytest.raises(UserError, match=r"^launch\.bin=~nobody-here/bin: names the home of nobody here; write"):
        make_job(Launcher.slurm, [], LaunchConfig(bin="~nobody-here/bin"), "adapt")


@pytest.mark.parametrize("launcher", [Launcher.ray, Launcher.aws, Launcher.kuberay])
def test_the_home_folder_of_other_machines_is_refused(launcher: Launcher) -> None:
    with pytest.raises(UserError, match=r"^launch\.bin=~/bin: the home folder of the nodes is not known here; write"):
        make_job(launcher, [], LaunchConfig(bin="~/bin", image="i"), "adapt")


def test_directives_of_slurm_stand_before_its_first_command() -> None:
    config = LaunchConfig(nodes=4, gpus_per_node=8, hours=12, queue="gpu,spot", account="lab")
    lines = make_job(Launcher.slurm, AWKWARD, config, "adapt").text.splitlines()
    first_command = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    directives = [line.removeprefix("#SBATCH ") for line in lines[:first_command] if line.startswith("#SBATCH ")]
    assert sum(line.startswith("#SBATCH") for line in lines) == len(directives)
    for wanted in ("--nodes=4", "--gpus-per-node=8", "--time=12:00:00", "--partition=gpu,spot", "--account=lab"):
        assert wanted in directives
    assert {"--requeue", "--signal=B:USR1@300", "--open-mode=append"} <= set(directives)
    without = make_job(Launcher.slurm, [], LaunchConfig(gpus_per_node=0), "adapt").text
    assert "gpu" not in without
