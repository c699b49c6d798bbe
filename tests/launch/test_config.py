"""Settings of a job, and names that every cluster takes."""

from __future__ import annotations

import re

import pytest

from engine.errors import UserError
from engine.launch.config import LaunchConfig, job_name


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("adapt-docs", "adapt-docs"),
        ("Adapt My_Docs.v2", "adapt-my-docs-v2"),
        ("2026 run", "run-2026-run"),
        ("--", "run"),
        ("a" * 39 + "-bc", "a" * 39),
        ("질문", "run"),
    ],
)
def test_a_name_is_one_that_kubernetes_takes(wanted: str, name: str) -> None:
    assert job_name(wanted).rstrip("-") == name
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job_name(wanted))


@pytest.mark.parametrize("key", ["nodes", "cpus_per_node", "memory_gb", "hours", "retries", "driver_cpus"])
def test_sizes_below_what_there_is_are_refused(key: str) -> None:
    with pytest.raises(UserError, match=rf"^launch\.{key}=-1: -1 is too small; set it to [01] or more"):
        LaunchConfig(**{key: -1})


@pytest.mark.parametrize("key", ["queue", "account", "image", "namespace", "claim", "environment_from"])
@pytest.mark.parametrize("value", ["a b", "a\n#SBATCH --wrap=x", "$(x)", "-x", "a;b"])
def test_a_name_that_could_be_more_than_a_name_is_refused(key: str, value: str) -> None:
    with pytest.raises(UserError, match=rf"^launch\.{key}="):
        LaunchConfig(**{key: value})
