"""Nodes of a cluster die under a run: nothing is lost, nothing is there twice, and training goes on.

What is run is `benchmarks/cluster.py`, in small. What it calls wrong is tested by itself, since nothing is wrong here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cluster
from benchmarks._faults import Fault, Job, Outcome, Phase, table_of, write_passages

GOOD = Outcome(
    seconds=90.0,
    generation_seconds=30.0,
    struck=[(10.0, Phase.generation), (50.0, Phase.curation), (70.0, Phase.training)],
    codes=[0],
    planned=3,
    rows=[0, 1, 2],
    kept=[(0, "d0", "a", "train")],
    resumed_at_step=20,
)


@pytest.mark.soak  # two runs on clusters of two nodes, of which one is killed three times
@pytest.mark.timeout(900)
def test_a_node_that_dies_in_each_phase_costs_time_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--nodes", "2", "--faults", "node", "--interval", "8", "--samples", "600", "--epochs", "8"]
    code = cluster.main(arguments)
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "cluster.2.node.wrong value 0 " in printed
    times = next(line for line in printed.splitlines() if Fault.node.value in line).split("|")[3].strip()
    generation, *later = map(int, times.split("+"))
    assert generation >= 1
    assert later == [1, 1], "once in curation, and once in training"


def test_everything_that_is_not_as_it_was_counts_as_wrong() -> None:
    assert cluster.wrongs(GOOD, GOOD.kept) == [0, 0, 0, 0]
    assert cluster.wrongs(replace(GOOD, rows=[0, 2]), GOOD.kept) == [1, 0, 0, 0]
    assert cluster.wrongs(replace(GOOD, rows=[0, 1, 1, 2, 2]), GOOD.kept) == [0, 2, 0, 0]
    assert cluster.wrongs(replace(GOOD, kept=[]), GOOD.kept) == [0, 0, 1, 0]
    assert cluster.wrongs(replace(GOOD, resumed_at_step=0), GOOD.kept) == [0, 0, 0, 1]
    calm = replace(GOOD, struck=[], resumed_at_step=0)
    assert cluster.wrongs(calm, GOOD.kept) == [0, 0, 0, 0], "a training that nothing happened to begins once"


def test_faults_need_nodes_beside_the_drivers() -> None:
    possible = {nodes: [fault for fault in Fault if cluster.is_possible(fault, nodes)] for nodes in (1, 2, 3)}
    assert possible[1] == [Fault.none, Fault.driver]
    assert possible[2] == [Fault.none, Fault.node, Fault.cut, Fault.driver]
    assert possible[3] == list(Fault)


def test_a_run_tells_its_phase_by_what_lies_in_its_folder(tmp_path: Path) -> None:
    job = Job(tmp_path, samples=10, engines=1, rate=1.0, epochs=1)
    phases = []
    for file in (
        "samples/attempt-0001/part-e1-00001.parquet",
        "samples/_DONE",
        "examples/_DONE",
        "model/checkpoints/checkpoint_manager_snapshot.json",
        "model/_DONE",
    ):
        phases.append(job.phase())
        (job.run / file).parent.mkdir(parents=True, exist_ok=True)
        (job.run / file).write_text("checkpoint_1")
    phases.append(job.phase())
    expected = [Phase.start, Phase.generation, Phase.curation, Phase.other, Phase.training, Phase.other]
    assert phases == expected


def test_passages_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_passages(tmp_path / name, 30)
    lines = (tmp_path / "a").read_text().splitlines()
    assert lines == (tmp_path / "b").read_text().splitlines()
    assert len(set(lines)) == 30
    assert table_of([("a", "b"), ("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"
