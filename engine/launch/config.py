"""What `synthmill launch` is told beside the run itself: how large the job is, and where its parts are.

In: values from the config or the command line. Out: a LaunchConfig. None of it changes a result. No setting is a
secret: one names where the cluster keeps them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError, check_setting
from engine.runtime.identity import placement

_WORD = re.compile(r"[A-Za-z0-9/~][A-Za-z0-9._,/:@-]*")
"""A name of something on a cluster. Names go into directives that no shell unquotes, so nothing else may be one."""
_NAMES = ("queue", "account", "image", "namespace", "claim", "service_account", "environment_from")
_LONGEST_NAME = 40
"""KubeRay allows 47 characters for a RayJob, and names what belongs to it by adding to that."""


@dataclass(frozen=True)
class LaunchConfig:
    """How a run is handed to a cluster. Which cluster, `cluster=ray`, `kuberay`, `slurm` or `aws` says."""

    output: str = placement("")
    """The file that the job is written to; empty: it is printed."""
    submit: bool = placement(False)
    """Whether the job is submitted, with `ray`, `kubectl` or `sbatch` of this machine."""
    name: str = placement("")
    """The name of the job; empty: that of the run folder."""
    bin: str = placement("")
    """The folder of the programs `synthmill` and `ray` on the nodes; empty: they are on the PATH, on AWS where
    cluster.yaml puts them, and for Slurm where those are that run now. `~` is your home here, which only Slurm's nodes
    are taken to have too."""
    address: str = placement("http://127.0.0.1:8265")
    """The address of the jobs API (that of the dashboard), for `cluster=ray`."""
    working_dir: str = placement("")
    """What each node gets a copy of, to run in: a folder with your `conf/` and small files (`ray`, `aws`), or the URL
    of a zip file (`kuberay`). What `.gitignore` names stays here."""
    nodes: int = placement(1)
    """The most nodes with GPUs at a time; for Slurm, and where a queue admits the job, exactly so many."""
    gpus_per_node: int = placement(1)
    """The GPUs of each of them; 0 for nodes without."""
    cpus_per_node: int = placement(8)
    """The cores of each of them."""
    memory_gb: int = placement(64)
    """The memory of each of them, in GiB."""
    driver_cpus: float = placement(1.0)
    """The CPUs that the driver reserves. With more than 0, Ray places it on any node that has them, not on the head,
    which offers none where it should be left alone."""
    hours: int = placement(24)
    """The longest that one attempt may take. A job of Slurm goes on after it; a RayJob has failed then."""
    retries: int = placement(3)
    """How often a job that failed starts again, or, for Slurm, one whose time was over; it goes on after what was
    committed. What Slurm itself queues again, preempted or with a lost node, is not counted."""
    keep_seconds: int = placement(600)
    """How long a finished RayJob keeps its cluster, so that its logs can be read."""
    queue: str = placement("")
    """The queue that admits the job: a LocalQueue of Kueue, or a partition of Slurm."""
    account: str = placement("")
    """The account that Slurm charges."""
    image: str = placement("")
    """The container image with synthmill and its environment (deploy/Dockerfile), for `kuberay`."""
    namespace: str = placement("")
    """The namespace of the RayJob; empty: that of kubectl's context."""
    claim: str = placement("")
    """The PersistentVolumeClaim (ReadWriteMany) that every pod mounts as /shared; not needed if `runs_dir` is a URL."""
    service_account: str = placement("")
    """The service account of the workers, by which a cloud gives them access to a bucket without keys."""
    environment_from: str = placement("")
    """Where the cluster keeps variables such as HF_TOKEN, WANDB_API_KEY and keys of a bucket: the name of a Kubernetes
    Secret, or, for Slurm, a file of `NAME=VALUE` lines that only you can read. It is not read here."""
    cluster_yaml: str = placement("cluster.yaml")
    """The file for `ray up`, for `aws`."""

    def __post_init__(self) -> None:
        """Refuses sizes that no cluster has, and names that could mean something else where they stand."""
        least = {"nodes": 1, "gpus_per_node": 0, "cpus_per_node": 1, "memory_gb": 1, "hours": 1}
        for key, smallest in {**least, "retries": 0, "keep_seconds": 0, "driver_cpus": 0}.items():
            value = getattr(self, key)
            check_setting(value >= smallest, f"launch.{key}", value, f"{smallest} or more", fault="is too small")
        for key in _NAMES:
            value = getattr(self, key)
            is_word = not value or _WORD.fullmatch(value) is not None
            check_setting(is_word, f"launch.{key}", value, "letters, digits and . _ , / : @ -", fault="is no name")


def in_home(path: str, key: str) -> str:
    """Returns a path of this machine, a leading `~` replaced by the home folder: in a job it is quoted, and stays.

    Args:
        path: the path, or a URL.
        key: the config key that it stands under.

    Raises:
        UserError: it names the home of a user who is not known here.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        remedy = "write the path in full"
        raise UserError("names the home of nobody here", where=f"{key}={path}", remedy=remedy) from error


def job_name(wanted: str) -> str:
    """Makes a name that every cluster takes: lower-case letters, digits and single dashes, 40 at most, a letter first.

    Kubernetes asks for this form (RFC 1035).
    """
    dashed = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")
    named = dashed if dashed[:1].isalpha() else f"run-{dashed}"
    return named[:_LONGEST_NAME].rstrip("-")
