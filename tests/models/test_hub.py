"""Models of the hub: what the cache holds needs no network, and a missing network shows at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.models import hub
from engine.models.hub import HUB_ID
from tests.support.models import ENCODER, LANGUAGE_MODEL, refusal, write_tiny_model
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = "from engine.models.resolve import *; print(resolve_model('owner/name', key='model.base'))"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


def hub_process(tmp_path: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` where the hub's address is a local port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **settings, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_unreachable_hub_fails_at_once_with_a_remedy(tmp_path: Path, environment: dict[str, str]) -> None:
    done = hub_process(tmp_path, RESOLVE, **environment)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert "model.base=owner/name: not on this machine, and the hub at http://127.0.0.1" in message
    assert f"set model.base to a local folder or a bundled model: {ENCODER}, {LANGUAGE_MODEL}" in message


def test_cached_hub_model_needs_no_hub(tiny: Path, tmp_path: Path) -> None:
    repo = tmp_path / "hf" / "hub" / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots").mkdir()
    tiny.rename(repo / "snapshots" / COMMIT)
    done = hub_process(tmp_path, f"{RESOLVE}; print(model_digest('owner/name', key='model.base'))")
    assert done.stdout.split() == [str(repo / "snapshots" / COMMIT), COMMIT], done.stderr


def test_half_downloaded_hub_model_is_not_used(tiny: Path, tmp_path: Path) -> None:
    repo = tmp_path / "hf" / "hub" / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "snapshots").mkdir()
    (tiny / "model.safetensors").unlink()
    tiny.rename(repo / "snapshots" / COMMIT)
    assert "cannot be reached" in hub_process(tmp_path, RESOLVE).stderr


def test_slow_hub_counts_as_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "HUB_SECONDS", 0.2)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *args, **options: time.sleep(5))
    assert "no answer" in refusal("owner-of-nothing/name").what


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [
        ("owner/name", "owner/name", None),
        ("owner/na.me-1@v1.0", "owner/na.me-1", "v1.0"),
        ("o/n@refs/pr/3", "o/n", "refs/pr/3"),
    ],
)
def test_a_hub_id_may_name_a_revision(name: str, repository: str, revision: str | None) -> None:
    match = HUB_ID.fullmatch(name)
    assert match
    assert (match["id"], match["revision"]) == (repository, revision)


@pytest.mark.parametrize("name", ["name", "/owner/name", "./owner/name", "owner/name/more", "owner/", "owner/name@"])
def test_a_path_is_no_hub_id(name: str) -> None:
    assert not HUB_ID.fullmatch(name)
