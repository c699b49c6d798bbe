"""The script for Slurm, run: with stand-ins for Ray and synthmill, and once with the real ones on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from engine.launch.config import LaunchConfig
from engine.launch.job import make_job
from engine.runtime.cluster import Launcher
from engine.storage.store import is_done
from tests.support.clusters import free_port
from tests.support.corpus import write_corpus
from tests.support.paths import ROOT
from tests.support.slurm import environment, put_program, put_slurm, submit
from tests.support.waiting import PATIENCE_SECONDS, wait_until

_RAY = """#!/usr/bin/env bash
echo "ray $* token=${#RAY_AUTH_TOKEN}" >> "$STAND_IN/calls"
[[ $1 == start ]] && exec sleep 60
exit 0
"""
_PYTHON = """#!/usr/bin/env bash
cat > /dev/null
[[ $2 == 1 ]] || until grep -q '^srun ' "$STAND_IN/calls"; do sleep 0.05; done
"""
_SYNTHMILL = """#!/usr/bin/env bash
printf '%s\\n' "$@" > "$STAND_IN/words"
echo "$RAY_ADDRESS $HF_TOKEN" > "$STAND_IN/seen"
trap 'echo committed > "$STAND_IN/committed"; exit "${STOPPED_STATUS:-130}"' TERM
for _ in $(seq "${DRIVER_SECONDS:-0}"); do sleep 1 & wait $!; done
exit "${DRIVER_STATUS:-0}"
"""
AWKWARD = ["cluster=slurm", "collection=my docs", "x='$HOME'"]


@pytest.fixture(name="slurm")
def put_all(tmp_path: Path) -> Path:
    """A folder with stand-ins for every program that the script calls."""
    folder = put_slurm(tmp_path / "bin")
    for name, script in {"ray": _RAY, "synthmill": _SYNTHMILL, "python3": _PYTHON}.items():
        put_program(folder, name, script)
    return folder


def start(slurm: Path, config: LaunchConfig, nodes: int = 1, **more: str) -> subprocess.Popen[str]:
    script = make_job(Launcher.slurm, AWKWARD, config, "adapt").text
    return submit(script, environment(slurm, nodes, **more), slurm.parent)


def finish(job: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = job.communicate(timeout=PATIENCE_SECONDS)
    return job.returncode, out


def calls(slurm: Path, program: str) -> list[str]:
    lines = (slurm / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{program} ")]


def test_ray_is_on_every_node_and_the_driver_gets_its_words(slurm: Path) -> None:
    status, out = finish(start(slurm, LaunchConfig(bin=str(slurm), nodes=3, gpus_per_node=2, cpus_per_node=7), nodes=3))
    assert status == 0, out
    assert (slurm / "words").read_text().splitlines() == AWKWARD
    [head] = [line for line in calls(slurm, "ray") if "start --head" in line]
    assert head.endswith("token=64"), "nobody else on those nodes may use this Ray"
    assert "--ray-client-server-port=14711" in head, (
        "one of its own: with that of another user's Ray it would not start"
    )
    [workers] = calls(slurm, "srun")
    assert "--nodes=2 --ntasks=2 --exclude=node1 --cpus-per-task=7 ray start --block" in workers
    assert "--address=127.0.0.1:24711" in workers
    assert "--num-gpus=2" in workers
    assert all("--min-worker-port=0 --max-worker-port=0" in started for started in (head, workers))
    assert (slurm / "seen").read_text().startswith("127.0.0.1:24711 ")
    assert "requeue" not in "".join(calls(slurm, "scontrol"))


def stopped_when_its_time_is_over(slurm: Path, config: LaunchConfig, **more: str) -> tuple[int, bool]:
    """The exit code of a job that gets USR1 while its driver runs, and whether it has queued itself again."""
    for name in ("seen", "calls", "committed"):
        (slurm / name).unlink(missing_ok=True)
    job = start(slurm, config, DRIVER_SECONDS="60", **more)
    wait_until((slurm / "seen").exists, "a driver")
    job.send_signal(signal.SIGUSR1)
    status, out = finish(job)
    assert (slurm / "committed").exists(), out
    return status, "scontrol requeue 4711" in calls(slurm, "scontrol")


def test_time_that_runs_out_ends_the_driver_in_order_and_queues_the_job_again(slurm: Path) -> None:
    config = LaunchConfig(bin=str(slurm), retries=2)
    outcomes = [stopped_when_its_time_is_over(slurm, config, SLURM_RESTART_COUNT=str(number)) for number in range(3)]
    assert outcomes == [(130, True), (130, True), (130, False)]
    assert stopped_when_its_time_is_over(slurm, replace(config, retries=0)) == (130, False)


def test_what_slurm_itself_queued_again_is_none_of_the_retries(slurm: Path) -> None:
    config = LaunchConfig(bin=str(slurm), retries=1)
    preempted = {"SLURM_RESTART_COUNT": "7"}
    assert stopped_when_its_time_is_over(slurm, config, **preempted) == (130, True)
    assert stopped_when_its_time_is_over(slurm, config, **preempted) == (130, False)
    assert stopped_when_its_time_is_over(slurm, config) == (130, True), "another job, with the number of an old one"


def test_a_run_that_ends_well_as_its_time_is_over_takes_no_nodes_again(slurm: Path) -> None:
    assert stopped_when_its_time_is_over(slurm, LaunchConfig(bin=str(slurm)), STOPPED_STATUS="0") == (0, False)


def test_a_job_that_is_cancelled_commits_and_is_not_queued_again(slurm: Path) -> None:
    job = start(slurm, LaunchConfig(bin=str(slurm)), DRIVER_SECONDS="60")
    wait_until((slurm / "seen").exists, "a driver")
    job.send_signal(signal.SIGTERM)
    status, out = finish(job)
    assert status == 130, out
    assert (slurm / "committed").exists()
    assert "requeue" not in "".join(calls(slurm, "scontrol"))


@pytest.mark.parametrize(("status", "requeued"), [("3", True), ("2", False), ("1", False)])
def test_a_run_whose_budget_is_used_up_goes_on_and_a_mistake_does_not(slurm: Path, status: str, requeued: bool) -> None:
    ended, out = finish(start(slurm, LaunchConfig(bin=str(slurm)), DRIVER_STATUS=status))
    assert ended == int(status), out
    assert ("scontrol requeue 4711" in calls(slurm, "scontrol")) is requeued


def test_variables_come_from_a_file_that_nobody_else_can_read(slurm: Path) -> None:
    file = slurm.parent / "variables"
    file.write_text("HF_TOKEN=from-the-file\n")
    config = LaunchConfig(bin=str(slurm), environment_from=str(file))
    file.chmod(0o644)
    status, out = finish(start(slurm, config))
    assert (status, out.strip()) == (2, f"{file} can be read by others; chmod 600 it")
    file.chmod(0o600)
    assert finish(start(slurm, config))[0] == 0
    assert (slurm / "seen").read_text().strip().endswith("from-the-file")
    assert "from-the-file" not in make_job(Launcher.slurm, AWKWARD, config, "adapt").text


VALUE = "a b'c\"$HOME`id` $(id)#\\é="


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_variables_are_read_as_they_stand(slurm: Path, end: str) -> None:
    file = slurm.parent / "variables"
    file.touch(0o600)
    file.write_text(f"# tokens\n\nOTHER=x\nHF_TOKEN={VALUE}{end}")
    status, out = finish(start(slurm, LaunchConfig(bin=str(slurm), environment_from=str(file))))
    assert status == 0, out
    assert (slurm / "seen").read_text().removesuffix("\n").partition(" ")[2] == VALUE


@pytest.mark.parametrize("line", ["export HF_TOKEN=planted", "HF-TOKEN=planted", "planted"])
def test_a_line_that_is_no_variable_is_named_and_not_shown(slurm: Path, line: str) -> None:
    file = slurm.parent / "variables"
    file.touch(0o600)
    file.write_text(f"OTHER=x\n{line}\n")
    status, out = finish(start(slurm, LaunchConfig(bin=str(slurm), environment_from=str(file))))
    assert (status, out.strip()) == (2, f"{file}: line 2 is not NAME=VALUE")


@pytest.mark.soak  # two nodes of Ray and a run, about half a minute
def test_a_run_ends_right_on_two_nodes_of_ray(tmp_path: Path) -> None:
    slurm = put_slurm(tmp_path / "bin")
    write_corpus(tmp_path / "corpus", 40)
    words = ["cluster=slurm", "experiment=adapt", "collection=corpus", "samples=fake", "until=samples", "run_dir=run"]
    script = make_job(Launcher.slurm, words, LaunchConfig(gpus_per_node=0, cpus_per_node=2), "adapt").text
    while (port := free_port()) >= 30_000:  # the script makes its port of the number of the job
        pass
    variables = environment(slurm, 2, SLURM_JOB_ID=str(port - 20_000), PYTHONPATH=str(ROOT))
    job = submit(script, variables, tmp_path)
    out, _ = job.communicate(timeout=280)
    assert job.returncode == 0, out
    assert is_done(tmp_path / "run" / "samples")
    with pytest.raises(ProcessLookupError):
        os.killpg(job.pid, 0)
