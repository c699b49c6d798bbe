"""W&B: a real offline run with a section per noun; no network, no login, nothing before the run is begun."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.tracking import Mode, NoTracker, TrackingConfig, WandbTracker, make_tracker
from engine.storage.run_folders import begin_run
from engine.storage.typed import flatten
from tests.support.paths import ROOT

OFFLINE = """
import sys
from pathlib import Path
from engine.runtime.cluster import quiet
quiet()
from engine.storage.run_folders import begin_run
from engine.runtime.tracking import TrackingConfig, make_tracker
run = Path(sys.argv[1])
arguments = {"hf_token": "planted-by-name", "url": "http://me:planted-in-a-url@host"}
tracker = make_tracker(TrackingConfig(), run, {"seed": 7, "model": {"base": "a-model"}, "engine_args": arguments})
tracker.summary("documents", {"passages": 12, "failed": {}})
assert not run.exists(), "the run is not begun"
begin_run(run, "seed: 7")
tracker.begin()
tracker.summary("samples", {"planned": 30, "generation": {"samples_per_second": 2.5}})
tracker.log("model", {"loss": 1.5}, 10)
tracker.log("model", {"loss": 1.25}, 20)
tracker.finish()
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


def test_an_offline_run_has_a_section_per_noun_and_asks_nobody(tmp_path: Path) -> None:
    run = tmp_path / "demo"
    with counting_server() as (port, met):
        there = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
            "WANDB_BASE_URL": there,
            "HTTPS_PROXY": there,
            "HTTP_PROXY": there,
            "HF_TOKEN": "planted-in-the-environment",
            "WANDB_API_KEY": "planted0" * 5,
        }
        done = subprocess.run(
            [sys.executable, "-c", OFFLINE, str(run), "samples.engine_args={hf_token: planted-by-name}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert met == []
    [file] = run.glob("tracking/wandb/offline-run-*/run-*.wandb")
    stored = file.read_bytes()
    for name in ("documents/passages", "samples/planned", "samples/generation.samples_per_second", "model/loss"):
        assert name.encode() in stored
    assert b"a-model" in stored
    assert b"demo" in stored, "the run has the name of its folder"
    files = [file for file in run.rglob("*") if file.is_file()]
    assert [file for file in files if b"planted" in file.read_bytes()] == []
    assert any(b"hf_token" in file.read_bytes() for file in files), "the config is there, with its secret masked"


def test_off_keeps_nothing(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")
    before = sorted(tmp_path.rglob("*"))
    tracker = make_tracker(TrackingConfig(mode=Mode.off), tmp_path / "run", {})
    assert isinstance(tracker, NoTracker)
    tracker.log("model", {"loss": 1.0}, 1)
    tracker.summary("samples", {"planned": 3})
    tracker.finish()
    tracker.begin()
    assert sorted(tmp_path.rglob("*")) == before


def test_points_of_curves_can_be_followed_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    tracker = make_tracker(TrackingConfig(mode=Mode.off, figures=str(file)), tmp_path / "run", {})
    tracker.begin()
    tracker.log("model", {"loss": 1.5}, 10)
    tracker.log("model", {"loss": 1.25, "learning_rate": 2e-5}, 20)
    tracker.summary("model", {"steps": 20})
    tracker.finish()
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"noun": "model", "step": 10, "loss": 1.5},
        {"noun": "model", "step": 20, "loss": 1.25, "learning_rate": 2e-5},
    ]


def test_a_run_that_is_refused_or_skips_everything_tracks_nothing(tmp_path: Path) -> None:
    begin_run(tmp_path / "run", "")  # by an earlier start
    before = sorted(tmp_path.rglob("*"))
    refused = WandbTracker(TrackingConfig(), tmp_path / "run", {})
    refused.summary("documents", {"passages": 3})
    refused.finish()
    WandbTracker(TrackingConfig(), tmp_path / "other", {}).finish()
    assert sorted(tmp_path.rglob("*")) == before


def test_online_without_a_login_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match="knows no login") as caught:
        make_tracker(TrackingConfig(mode=Mode.online), tmp_path / "run", {})
    assert caught.value.where == "tracking=online"
    assert "tracking=offline" in caught.value.remedy
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    assert isinstance(make_tracker(TrackingConfig(mode=Mode.online), tmp_path / "run", {}), WandbTracker)


def test_flattens_records_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": 2.5}}, "e": "x", "f": {}}) == {"a.b": 1, "a.c.d": 2.5, "e": "x"}


@pytest.mark.parametrize("project", ["a/b", "a\\b", "a#b", "a?b", "100%", "a:b", "", "x" * 129])
def test_a_project_that_wandb_refuses_is_refused_at_once(project: str) -> None:
    with pytest.raises(UserError, match="project's name") as caught:
        TrackingConfig(project=project)
    assert caught.value.where == f"tracking.project={project}"


def test_wandb_refuses_the_same_projects() -> None:
    code = """
import wandb
refused = []
for project in [chr(number) for number in range(32, 127)] + ["x" * 128, "x" * 129]:
    try:
        wandb.Settings(project=project)
    except Exception:
        refused.append(project)
print("".join(sorted(refused)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "#%/:?\\" + "x" * 129 + "\n"
    assert TrackingConfig(project="a project, of mine (2)").project == "a project, of mine (2)"
