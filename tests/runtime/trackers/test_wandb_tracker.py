"""W&B: one real offline run with a section per noun; no network, no login, nothing before the run is begun.

The package has no stand-in for its server, so what `wandb sync` would read is read here.
"""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.trackers.wandb_tracker import WandbTracker
from engine.runtime.tracking import TrackingConfig
from engine.storage.run_folders import begin_run
from tests.support.paths import ROOT
from tests.support.wandb_files import read_records

OFFLINE = """
import sys
from pathlib import Path
from engine.runtime.cluster import quiet
quiet()
from engine.storage.run_folders import begin_run, is_run
from engine.runtime.trackers.make import make_tracker
from engine.runtime.tracking import Finished, Outcome, TrackingConfig
run, start = Path(sys.argv[1]), int(sys.argv[2])
arguments = {"hf_token": "planted-by-name", "url": "http://me:planted-in-a-url@host"}
config = {"seed": 7, "model": {"base": "a-model"}, "engine_args": arguments}
tracker = make_tracker(TrackingConfig(group="a-sweep"), run, config, sys.exit)
tracker.summary("documents", {"passages": 12, "failed": {}})
assert is_run(run) == (start == 2) and not (start == 1 and run.exists()), "the run is not begun"
begin_run(run, "seed: 7")
tracker.begin()
tracker.summary("samples", {"planned": 30, "generation": {"samples_per_second": 2.5}})
tracker.table("samples", "table", ["sample_id", "text", "logprob"], [[0, "a sample's text", None], [1, "more", 0.5]])
tracker.log("model", {"loss": 1.5}, 10 * start)
tracker.log("model", {"loss": 1.25}, 20 * start)
tracker.log("points/0.5-seed-1/model", {"loss": 2.0}, start)
tracker.artifact(Finished("model", Path(sys.argv[3]), "f1" * 8, {"examples": "e2" * 8}))
tracker.finish(Outcome.interrupted if start == 1 else Outcome.finished)
tracker.finish()
"""


@contextmanager
def counting_server() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine and the connections that it got."""
    met: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                met.append(connection.recv(200).decode("latin-1"))
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], met
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with what two starts tracked, the second of which went on with the first."""
    home = tmp_path_factory.mktemp("wandb")
    run, model = home / "demo", home / "store" / "model"
    model.mkdir(parents=True)
    (model / "weights").write_text("weights")
    with counting_server() as (port, met):
        there = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home / "home"),
            "PYTHONPATH": str(ROOT),
            "WANDB_BASE_URL": there,
            "HTTPS_PROXY": there,
            "HTTP_PROXY": there,
            "HF_TOKEN": "planted-in-the-environment",
            "WANDB_API_KEY": "planted0" * 5,
        }
        for start in ("1", "2"):
            secret = "samples.engine_args={hf_token: planted-by-name}"
            done = subprocess.run(
                [sys.executable, "-c", OFFLINE, str(run), start, str(model), secret],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert met == [], "nothing is asked"
    return run


def records_of(run: Path) -> list[list[Any]]:
    """What each start wrote, in their order."""
    return [read_records(file) for file in sorted(run.glob("tracking/wandb/offline-run-*/run-*.wandb"))]


def values_of(items: Iterable[Any]) -> dict[str, Any]:
    """Figures by name, as a history, a summary or a config holds them."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_both_starts_are_one_run_of_a_group(offline_run: Path) -> None:
    runs = [record.run for records in records_of(offline_run) for record in records if record.HasField("run")]
    assert len(runs) >= 2
    assert len({run.run_id for run in runs}) == 1
    assert {(run.display_name, run.project, run.run_group) for run in runs} == {("demo", "synthmill", "a-sweep")}
    config = values_of(runs[0].config.update)
    assert (config["seed"], config["model"]) == (7, {"base": "a-model"})
    assert config["engine_args"]["hf_token"] == "***"


def test_a_start_that_was_interrupted_does_not_look_finished(offline_run: Path) -> None:
    exits = [
        record.exit.exit_code for records in records_of(offline_run) for record in records if record.HasField("exit")
    ]
    assert exits == [130, 0]


def test_each_noun_has_a_section(offline_run: Path) -> None:
    summaries = [record.summary for record in records_of(offline_run)[0] if record.HasField("summary")]
    final: dict[str, Any] = {}
    for summary in summaries:
        final |= values_of(summary.update)
    assert final["documents/passages"] == 12
    assert final["samples/planned"] == 30
    assert final["samples/generation.samples_per_second"] == 2.5


def test_curves_go_on_and_no_step_comes_twice(offline_run: Path) -> None:
    rows = [
        [values_of(record.history.item) for record in records if record.HasField("history")]
        for records in records_of(offline_run)
    ]
    curve = [(row["model/step"], row["model/loss"]) for start in rows for row in start if "model/loss" in row]
    assert curve == [(10, 1.5), (20, 1.25), (20, 1.5), (40, 1.25)]
    steps = [row["_step"] for start in rows for row in start]
    assert steps == sorted(set(steps)), "the server takes no step that it has met"


def test_each_curve_goes_by_steps_of_its_own(offline_run: Path) -> None:
    for records in records_of(offline_run):
        metrics = [record.metric for record in records if record.HasField("metric")]
        axes = {metric.glob_name: metric.step_metric for metric in metrics if metric.glob_name}
        assert axes == {"model/*": "model/step", "points/0.5-seed-1/model/*": "points/0.5-seed-1/model/step"}


def test_texts_are_tables(offline_run: Path) -> None:
    [history] = [
        values
        for record in records_of(offline_run)[0]
        if "samples/table/_type" in (values := values_of(record.history.item))
    ]
    assert history["samples/table/_type"] == "table-file"
    [first, _] = sorted(offline_run.glob("tracking/wandb/offline-run-*/files"))
    table = json.loads((first / history["samples/table/path"]).read_text())
    assert table["data"] == [[0, "a sample's text", None], [1, "more", 0.5]]


def test_a_model_is_an_artifact_with_what_it_was_made_from(offline_run: Path) -> None:
    artifacts = [record.artifact for record in records_of(offline_run)[0] if record.HasField("artifact")]
    [model] = [artifact for artifact in artifacts if artifact.type == "model"]
    assert model.name == "model-" + "f1" * 8
    assert json.loads(model.metadata) == {"fingerprint": "f1" * 8, "inputs": {"examples": "examples-" + "e2" * 8}}
    [entry] = model.manifest.contents
    assert (entry.path, entry.local_path) == ("weights", str(offline_run.parent / "store" / "model" / "weights"))


def test_no_secret_is_written_and_nothing_lies_elsewhere(offline_run: Path) -> None:
    files = [file for file in offline_run.rglob("*") if file.is_file()]
    assert [file for file in files if b"planted" in file.read_bytes()] == []
    assert any(b"hf_token" in file.read_bytes() for file in files), "the config is there, with its secret masked"
    assert not [file for file in (offline_run.parent / "home").rglob("*") if file.is_file()]


def test_a_run_that_is_refused_or_skips_everything_tracks_nothing(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")  # by an earlier start
    before = sorted(tmp_path.rglob("*"))
    refused = WandbTracker(TrackingConfig(), tmp_path / "run", {}, pytest.fail)
    refused.summary("documents", {"passages": 3})
    refused.finish()
    WandbTracker(TrackingConfig(), tmp_path / "other", {}, pytest.fail).finish()
    assert sorted(tmp_path.rglob("*")) == before
