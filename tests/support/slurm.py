"""A Slurm of one machine: `srun`, `scontrol` and `sbatch` that do on loopback what the script of a job asks of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SRUN = """#!/usr/bin/env bash
# One process for the other nodes together: they are all this machine.
echo "srun $*" >> "$STAND_IN/calls"
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
_SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >> "$STAND_IN/calls"
[[ "$1 $2" == "show hostnames" ]] || exit 0
seq -f 'node%g' "$NODES"
"""
_SBATCH = """#!/usr/bin/env bash
# Runs the script at once, as the first node would, and waits for its end.
echo "sbatch $*" >> "$STAND_IN/calls"
SLURM_JOB_ID=${SLURM_JOB_ID:-4711} SLURM_JOB_NODELIST="node[1-$NODES]" exec bash
"""


def put_slurm(folder: Path) -> Path:
    """Makes a folder for the PATH with the three programs; what they were asked is in `calls` there."""
    folder.mkdir(exist_ok=True)
    for name, script in {"srun": _SRUN, "scontrol": _SCONTROL, "sbatch": _SBATCH}.items():
        put_program(folder, name, script)
    (folder / "calls").touch()
    return folder


def put_program(folder: Path, name: str, script: str) -> None:
    """Writes a program."""
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def environment(folder: Path, nodes: int, **more: str) -> Mapping[str, str]:
    """The environment in which those programs are found first, and in which a job has so many nodes."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "STAND_IN": str(folder), "NODES": str(nodes), "HEAD_ADDRESS": "127.0.0.1"} | more


def submit(script: str, variables: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """Submits a script in a folder; the process is that of the job."""
    job = subprocess.Popen(
        [next(Path(variables["STAND_IN"]).glob("sbatch"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=variables,
        cwd=folder,
        start_new_session=True,
    )
    assert job.stdin is not None
    job.stdin.write(script)
    job.stdin.close()
    job.stdin = None
    return job
