"""The small commands on a finished run."""

from __future__ import annotations

import pytest
from conftest import FinishedRun

from engine.commands import require
from engine.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_trace_shows_a_sample_from_document_to_verdict(finished_run: FinishedRun) -> None:
    done = finished_run.synthmill.run("trace", "run", "7")
    assert done.returncode == 0, done.stderr
    for part in ("passage d", "Notes on", "plan", "prompt", "sample 7: generated", "verdict"):
        assert part in done.stdout
    assert finished_run.synthmill.run("trace", "run", "999").returncode == 2


def test_search_shows_base_and_tuned_side_by_side(finished_run: FinishedRun) -> None:
    done = finished_run.synthmill.run("search", "run", "care of bees in town 1")
    assert done.returncode == 0, done.stderr
    assert "base" in done.stdout
    assert "tuned" in done.stdout
    assert "d1" in done.stdout


def test_clean_keeps_what_a_run_links_to(finished_run: FinishedRun) -> None:
    store = finished_run.synthmill.folder / "runs" / "store"
    orphan = store / "report" / "0000000000000000"
    orphan.mkdir(parents=True)
    (orphan / "report.json").write_text("{}")
    done = finished_run.synthmill.run("clean", "runs")
    assert done.returncode == 0, done.stderr
    assert not orphan.exists()
    assert (finished_run.folder / "report" / "_DONE").exists(), "a run outside of runs/ is protected as well"


def test_require_names_what_is_missing(finished_run: FinishedRun) -> None:
    assert set(require(str(finished_run.folder), "model")) == {"model"}
    with pytest.raises(UserError, match="is no run folder"):
        require(str(finished_run.folder / "model"), "model")
