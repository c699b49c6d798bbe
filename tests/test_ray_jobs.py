"""The real command as a Ray job: submitted to a cluster on loopback that wants a token, with its driver off the head.

Run as a program this file asks that cluster where its drivers were, in a process that knows the token from its start.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engine.artifacts.samples import SamplesFolder
from tests.support.clusters import run_driver
from tests.support.command_line import CommandLine
from tests.support.corpus import write_corpus
from tests.support.job_clusters import ray_with_jobs
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.soak  # two nodes of Ray with a dashboard, and two runs: 40 s; what a job is told is in tests/launch
def test_a_run_is_submitted_and_the_next_job_goes_on(tmp_path: Path, synthmill: CommandLine) -> None:
    corpus, run = write_corpus(tmp_path / "my corpus", 40), tmp_path / "run"
    words = ["launch", "cluster=ray", "experiment=adapt", f"collection={corpus}", "samples=fake"]
    words += [f"run_dir={run}", f"runs_dir={tmp_path / 'runs'}", "launch.submit=true"]
    with ray_with_jobs(worker_cpus=4) as cluster:
        words.append(f"launch.address={cluster.dashboard}")
        first = synthmill.run(*words, "until=prompts")
        assert first.returncode == 0, first.stdout + first.stderr
        second = synthmill.run(*words, "until=samples")
        assert second.returncode == 0, second.stdout + second.stderr
        places = json.loads(run_driver(__file__, cluster.dashboard).splitlines()[-1])
    assert second.stdout.count("unchanged: ") == 2, "documents and prompts"
    assert SamplesFolder(run / "samples").rows().num_rows > 0
    assert len(places["heads"]) == 1
    assert len(places["drivers"]) == 2
    assert set(places["drivers"]).isdisjoint(places["heads"])


@pytest.mark.soak  # the same cluster, and two runs at once
def test_two_jobs_at_once_both_end(tmp_path: Path, synthmill: CommandLine) -> None:
    """Each leaves the core of the other's driver alone: an engine that waited for it would wait for ever."""
    corpus = write_corpus(tmp_path / "corpus", 40)
    words = ["launch", "cluster=ray", "experiment=adapt", f"collection={corpus}", "samples=fake", "until=samples"]
    words += ["launch.submit=true", "launch.driver_cpus=1", "prompts.per_passage=9"]
    with ray_with_jobs(worker_cpus=3) as cluster:
        words.append(f"launch.address={cluster.dashboard}")
        folders = [tmp_path / name for name in ("first", "second")]
        both = [synthmill.start(*words, f"run_dir={it}", f"runs_dir={it}-runs") for it in folders]
        ended = [process.communicate(timeout=PATIENCE_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    for folder in folders:
        assert SamplesFolder(folder / "samples").rows().num_rows == 360


def where_drivers_were(dashboard: str) -> dict[str, list[str]]:
    """The nodes of the jobs' drivers, and the head."""
    from ray.job_submission import JobSubmissionClient
    from ray.util.state import list_nodes

    jobs = JobSubmissionClient(dashboard).list_jobs()
    nodes = list_nodes(address=dashboard)
    return {
        "drivers": [job.driver_node_id for job in jobs if job.submission_id and job.driver_node_id],
        "heads": [node.node_id for node in nodes if node.is_head_node],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(where_drivers_were(sys.argv[1])) + "\n")
