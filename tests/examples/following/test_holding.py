"""Whoever makes or reads results keeps them, also from other processes; nobody else is in the way of their removal."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from engine.examples.following.holding import all_results, are_used, remove_results, samples_of, using_results
from engine.examples.following.results import Results, begin_results
from tests.examples.following.test_results import CONFIG, work_out_of

READER = """
import sys
from pathlib import Path
from engine.examples.following.results import reading_results
from tests.examples.following.test_results import CONFIG
with reading_results(Path(sys.argv[1]), Path(sys.argv[2]), CONFIG) as known:
    print(len(known.ids()), flush=True)
    sys.stdin.readline()
    print(sum(len(verdicts) for verdicts in known.verdicts()), flush=True)
"""


def test_two_processes_read_the_same_results_and_the_last_one_removes_them(tmp_path: Path) -> None:
    store, samples = tmp_path / "store", tmp_path / "store" / "samples" / "abc"
    samples.mkdir(parents=True)
    results = begin_results(store, samples, CONFIG)
    results.mkdir()
    Results(results).add(work_out_of([7, 3]), np.array([7, 3]))
    command, pipes = [sys.executable, "-c", READER, str(store), str(samples)], {"stdin": subprocess.PIPE}
    readers = [subprocess.Popen(command, **pipes, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [reader.stdout.readline() for reader in readers] == ["2\n", "2\n"]
    for number, reader in enumerate(readers):
        assert are_used(results)
        assert reader.communicate("go on\n")[0] == "2\n"
        assert reader.returncode == 0
        assert results.exists() is (number == 0), "the other one still reads them"
    assert not are_used(results)


def test_what_is_used_stays_and_all_else_goes(tmp_path: Path) -> None:
    folder = tmp_path / "followed" / "abc-1.key"
    assert remove_results(folder), "there is nothing"
    with using_results(folder), using_results(folder):
        folder.mkdir()
        assert are_used(folder)
        assert not remove_results(folder)
        assert all_results(tmp_path) == [folder]
        assert samples_of(folder) == "abc"
    assert not are_used(folder)
    assert remove_results(folder)
    assert not list(folder.parent.iterdir()), "nor is the lock left"
    assert not are_used(folder)
    assert not (tmp_path / "followed" / ".abc-1.key.lock").exists(), "nothing is made by asking"
