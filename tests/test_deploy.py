"""deploy/ holds what `synthmill launch` writes for the commands here: nobody edits its files, none is out of date."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from engine.command_line.launch import launch
from tests.support.paths import ROOT

DEPLOY = ROOT / "deploy"
COMMANDS = {
    "rayjob.yaml": "cluster=kuberay experiment=adapt collection=/shared/docs runs_dir=/shared/runs launch.nodes=4 "
    "launch.image=REGISTRY/synthmill:0.1.0 launch.claim=synthmill launch.environment_from=synthmill",
    "slurm.sh": "cluster=slurm experiment=adapt collection=/shared/docs runs_dir=/shared/runs launch.nodes=2 "
    "launch.gpus_per_node=4 launch.cpus_per_node=32 launch.memory_gb=256 launch.bin=/shared/synthmill/.venv/bin",
}
"""What each file was made with; docs/cluster.md has the same."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_is_what_its_command_writes(name: str, tmp_path: Path) -> None:
    assert launch([*shlex.split(COMMANDS[name]), f"launch.output={tmp_path / name}"]) == 0
    assert (DEPLOY / name).read_text() == (tmp_path / name).read_text(), f"synthmill launch {COMMANDS[name]}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_on_clusters_has_the_command(name: str) -> None:
    page = re.sub(r"\s*\\\n\s*", " ", (ROOT / "docs" / "cluster.md").read_text())
    assert f"synthmill launch {COMMANDS[name]}" in page


def test_bash_reads_the_script() -> None:
    assert subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], check=False).returncode == 0


def test_the_image_is_made_of_what_is_there_and_runs_as_the_user_of_the_pods() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "useradd --uid 1000" in " ".join(lines)
    assert lines.index("USER ray") < next(number for number, line in enumerate(lines) if "install.py" in line)
    manifest = (DEPLOY / "rayjob.yaml").read_text()
    assert "runAsUser: 1000" in manifest
